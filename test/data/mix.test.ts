/** Mixtures keep their proportions and their budget; importance resampling finds what is like its target; full disks. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Random } from "../../src/base/random.ts";
import { loadTokenizer } from "../../src/tokenizer/index.ts";
import { json, philab } from "../support/cli.ts";
import { bytesBelow, documentsOf, rowsBelow, writeFiles } from "../support/corpora.ts";
import { withSmallDisk } from "../support/small-disk.ts";

const root = mkdtempSync(path.join(tmpdir(), "philab-mix-"));
afterAll(() => {
  rmSync(root, { recursive: true });
});

const random = new Random(3);
/** Texts of a hundred words of one vocabulary. */
function texts(prefix: string, count: number): { id: string; text: string }[] {
  return Array.from({ length: count }, (_, i) => ({
    id: `${prefix}${i}`,
    text: Array.from({ length: 100 }, () => `${prefix}${random.integer(30)}`).join(" "),
  }));
}

async function run(...argv: string[]): Promise<Awaited<ReturnType<typeof philab>>> {
  return philab(["data", ...argv], { cwd: root });
}

beforeAll(async () => {
  writeFiles(root, { "code.jsonl": texts("code", 60), "prose.jsonl": texts("prose", 300) });
  for (const name of ["code", "prose"])
    expect((await run("ingest", `${name}.jsonl`, "--out", name)).exit).toBe(0);
});

const RECIPE = `
name: mixture
tokens: 24000
seed: 4
sources:
  code: { corpus: code, weight: 1, maxEpochs: 2 }
  prose: { corpus: prose, weight: 3 }
stages:
  - { name: warm, share: 1, weights: { prose: 1 } }
  - { name: main, share: 3 }
`;

describe("philab data mix", () => {
  it("fills a budget in proportion to weights, stage after stage, epoch after epoch", async () => {
    writeFileSync(path.join(root, "mix.yaml"), RECIPE);
    const ran = await run("mix", "mix.yaml", "--out", "mix", "--json");
    expect(ran.exit, ran.err).toBe(0);
    const { tokens, sources } = json(ran) as {
      tokens: number;
      sources: Record<string, { tokens: number; epochs: number; documents: number }>;
    };
    expect(tokens).toBeGreaterThanOrEqual(24_000);
    expect(tokens).toBeLessThan(24_600);
    expect(readdirSync(path.join(root, "mix"))).toEqual(["0-warm", "1-main", "mix.json"]);
    expect(
      rowsBelow(path.join(root, "mix", "0-warm")).every(({ source }) => source === "prose"),
    ).toBe(true);

    const main = rowsBelow(path.join(root, "mix", "1-main"));
    for (const length of [20, 60, main.length]) {
      const bytes = (source: string): number =>
        main
          .slice(0, length)
          .filter((row) => row["source"] === source)
          .reduce((sum, { text }) => sum + String(text).length, 0);
      const share = bytes("code") / (bytes("code") + bytes("prose"));
      expect(Math.abs(share - 0.25)).toBeLessThan(2 / length + 0.01);
    }
    // Every document once before any comes again.
    const code = main.filter(({ source }) => source === "code").map(({ id }) => id);
    expect(new Set(code.slice(0, 60)).size).toBe(Math.min(60, code.length));
    expect(sources["code"]?.epochs).toBeCloseTo(code.length / 60, 9);

    expect((await run("mix", "mix.yaml", "--out", "again")).exit).toBe(0);
    expect(bytesBelow(path.join(root, "again"))).toEqual(bytesBelow(path.join(root, "mix")));
  });

  it("counts with a tokenizer where one is named", async () => {
    writeFileSync(path.join(root, "counted.yaml"), RECIPE.replace("24000", "9000"));
    const ran = await run(
      ...["mix", "counted.yaml", "--out", "counted", "--tokenizer", "phi-micro", "--json"],
    );
    expect(ran.exit, ran.err).toBe(0);
    const tokenizer = await loadTokenizer("models/phi-micro");
    const counts = ["0-warm", "1-main"]
      .flatMap((stage) => rowsBelow(path.join(root, "counted", stage)))
      .map(({ text }) => tokenizer.encode(String(text)).length);
    const total = counts.reduce((sum, count) => sum + count, 0);
    expect(json(ran)["tokens"]).toBe(total);
    expect(total).toBeGreaterThanOrEqual(9000);
    const missing = await run("mix", "counted.yaml", "--tokenizer", "phi-mikro", "--out", "none");
    expect(missing.err).toMatch(/phi-micro/);
  });

  it("repeats no source more often than it may, and knows its sources", async () => {
    writeFileSync(path.join(root, "more.yaml"), RECIPE.replace("24000", "200000"));
    expect((await run("mix", "more.yaml", "--out", "more")).err).toMatch(
      /code has been read 2 times and the budget wants more/,
    );
    expect(existsSync(path.join(root, "more"))).toBe(false);
    writeFileSync(path.join(root, "typo.yaml"), RECIPE.replace("{ prose: 1 }", "{ verse: 1 }"));
    expect((await run("mix", "typo.yaml", "--out", "typo")).err).toMatch(
      /verse, which is no source/,
    );
  });
});

it("dsir and top keep what is like the target, the same in any number of shards", async () => {
  writeFiles(root, {
    "pool/a.jsonl": [...texts("wanted", 40), ...texts("other", 160)],
    "target.jsonl": texts("wanted", 20).map(({ text }) => ({ text })),
  });
  expect((await run("ingest", "target.jsonl", "--out", "target")).exit).toBe(0);
  const kept: string[][] = [];
  for (const shards of [1, 3]) {
    writeFileSync(
      path.join(root, "select.yaml"),
      `name: chosen\nsources: [{ path: pool }]\nshards: ${shards}\nstages:\n  - { use: dsir, target: target }\n  - { use: top, score: dsir.sampled, share: 0.2 }\n`,
    );
    const ran = await run("run", "select.yaml", "--out", `chosen-${shards}`);
    expect(ran.exit, ran.err).toBe(0);
    const documents = await documentsOf(path.join(root, `chosen-${shards}`));
    kept.push(documents.map(({ id }) => id).sort());
  }
  expect(kept[0]).toHaveLength(40);
  expect(kept[0]?.every((id) => id.startsWith("wanted"))).toBe(true);
  expect(kept[1]).toEqual(kept[0]);
});

it("perplexity scores text by the model's bits for each byte", async () => {
  writeFiles(root, {
    "two.jsonl": [
      { id: "known", text: "def add_numbers(a, b):\n    return a + b\n" },
      { id: "noise", text: "xq7)zk ][v9 wJ~ 0pL;; qqx vbn% tY8" },
    ],
    "bits.yaml":
      "name: bits\nsources: [{ path: two.jsonl }]\nstages:\n  - { use: perplexity }\n  - { use: top, score: perplexity.bits, share: 0.5, lowest: true }\n",
  });
  const ran = await run("run", "bits.yaml", "--out", "bits");
  expect(ran.exit, ran.err).toBe(0);
  expect((await documentsOf(path.join(root, "bits"))).map(({ id }) => id)).toEqual(["known"]);
});

describe("a full disk", () => {
  it("ends the work with an error, and what was done goes on once there is room", async (context) => {
    writeFiles(root, { "large/a.jsonl": texts("word", 3000), "large/b.jsonl": texts("term", 300) });
    const disk = path.join(root, "disk");
    const argv = ["ingest", "large", "--shards", "2", "--out", path.join(disk, "out")];
    const done = await withSmallDisk(disk, 1_200_000, async () => {
      const ran = await run(...argv);
      expect(ran.exit).toBe(2);
      expect(ran.err).toMatch(/no space left/);
      const left = readdirSync(disk, { recursive: true, encoding: "utf8" });
      expect(left.filter((name) => name.endsWith(".part"))).toEqual([]);
      expect(left).not.toContain(path.join("out", "manifest.json"));
    });
    if (!done) context.skip();
    expect((await run(...argv)).exit).toBe(0);
    expect(readFileSync(path.join(disk, "out", "manifest.json"), "utf8")).toContain('"schema": 1');
  });
});
