/** A corpus made by many processes, some of which are killed, is the corpus that one process makes. */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Random } from "../../src/base/random.ts";
import { readManifest } from "../../src/data/index.ts";
import { build, start } from "../support/built.ts";
import { philab } from "../support/cli.ts";
import { bytesBelow, documentsOf, rowsBelow, writeFiles } from "../support/corpora.ts";

const root = mkdtempSync(path.join(tmpdir(), "philab-shards-"));
beforeAll(build, 240_000);
afterAll(() => {
  rmSync(root, { recursive: true });
});

const SHARDS = 8;
const RECIPE = `
name: sharded
sources: [{ path: raw, licence: MIT }]
shards: ${SHARDS}
stages:
  - { use: clean, rules: [gopher_quality, code], gopherQuality: { minDocWords: 20 } }
  - { use: dedup }
`;

/** Sentences of words that come as often as words do; every tenth document is another with a few words changed. */
function makeRows(count: number): { text: string }[] {
  const random = new Random(17);
  const words =
    "the of and to that have with be stone river morning letter garden engine window story number bridge"
      .split(" ")
      .concat(Array.from({ length: 800 }, (_, i) => `word${i.toString(36)}`.replace(/\d/g, "q")));
  const draw = (): string => words[Math.floor(words.length * random.uniform() ** 2)] ?? "";
  const rows: { text: string }[] = [];
  for (let i = 0; i < count; i++) {
    const copied = i % 10 === 9 ? rows[i - 1 - random.integer(8)] : undefined;
    const text = copied?.text.split(" ") ?? Array.from({ length: 60 + random.integer(120) }, draw);
    rows.push({
      text: text.map((word) => (copied && random.uniform() < 0.1 ? draw() : word)).join(" "),
    });
  }
  return rows;
}

function newHome(name: string): string {
  const home = path.join(root, name);
  mkdirSync(home);
  writeFileSync(path.join(home, "recipe.yaml"), RECIPE);
  const rows = makeRows(2400);
  writeFiles(home, { "raw/a.jsonl": rows.slice(0, 1500), "raw/b.jsonl": rows.slice(1500) });
  // Code wants a grammar, which the built program must find.
  writeFiles(home, {
    "raw/up.py": "import os\n\n\ndef up(path):\n    return os.path.dirname(path)\n",
  });
  return home;
}

const run = (shard: number): string[] => [
  ...["data", "run", "recipe.yaml", "--out", "out", "--shard", `${shard}/${SHARDS}`],
];

/** Runs commands two at a time. */
async function runAll(commands: readonly string[][], cwd: string): Promise<void> {
  const queue = [...commands];
  const worker = async (): Promise<void> => {
    for (let argv = queue.shift(); argv !== undefined; argv = queue.shift()) {
      const { code, err } = await start(argv, { cwd }).ended;
      expect(code, err).toBe(0);
    }
  };
  await Promise.all([worker(), worker()]);
}

/** Starts a shard and kills it in the middle of its part; one that was done before anybody looked is begun again. */
async function killWhileWriting(shard: number, cwd: string): Promise<void> {
  const parts = path.join(cwd, "out", "work", "phase-0");
  for (;;) {
    const { child, ended } = start(run(shard), { cwd });
    const isWriting = (): boolean =>
      existsSync(parts) &&
      readdirSync(parts).some((name) => name.startsWith(`.0000${shard}.jsonl`));
    while (!isWriting() && child.exitCode === null) await sleep(1);
    child.kill("SIGKILL");
    const { signal, code, err } = await ended;
    const record = path.join(parts, `0000${shard}.json`);
    if (signal === "SIGKILL" && !existsSync(record)) return;
    expect(code ?? 0, err).toBe(0);
    rmSync(record);
  }
}

describe.skipIf(process.platform === "win32")("eight shards in processes of their own", () => {
  it("of which two are killed and go on, give the bytes of one process", async () => {
    const [alone, many] = [newHome("alone"), newHome("many")];
    const whole = await philab(["data", "run", "recipe.yaml", "--out", "out"], { cwd: alone });
    expect(whole.exit, whole.err).toBe(0);

    for (const shard of [2, 5]) await killWhileWriting(shard, many);
    const merge = ["data", "merge", "recipe.yaml", "--out", "out"];
    await runAll([0, 1, 3, 4, 6, 7].map(run), many);
    const early = await philab(merge, { cwd: many });
    expect(early.exit).toBe(3);
    expect(early.err).toMatch(/2 of 8 shards have not finished phase 0: 2 and 5/);

    await runAll([2, 5].map(run), many);
    expect((await philab(merge, { cwd: many })).exit).toBe(0);
    await runAll(
      Array.from({ length: SHARDS }, (_, shard) => run(shard)),
      many,
    );
    const merged = await philab(merge, { cwd: many });
    expect(merged.exit, merged.err).toBe(0);
    expect(bytesBelow(path.join(many, "out"))).toEqual(bytesBelow(path.join(alone, "out")));

    const { history } = await readManifest(path.join(many, "out"));
    expect(history.map(({ stage }) => stage)).toEqual(["clean", "dedup"]);
    const { near_duplicate: near = 0 } = history[1]?.rejected ?? {};
    expect(near).toBeGreaterThan(200);
    expect(near).toBeLessThanOrEqual(240);
  });

  it("are found out where one is changed, lost or done by another recipe", async () => {
    const home = newHome("tampered");
    writeFiles(home, { "raw/a.jsonl": makeRows(60), "raw/b.jsonl": [{ text: "One more." }] });
    const merge = ["data", "merge", "recipe.yaml", "--out", "out"];
    for (let shard = 0; shard < SHARDS; shard++)
      expect((await philab(run(shard), { cwd: home })).exit).toBe(0);
    const work = path.join(home, "out", "work", "phase-0");
    writeFileSync(path.join(work, "00003.jsonl"), "");
    expect((await philab(merge, { cwd: home })).err).toMatch(
      /00003\.jsonl is not what was written/,
    );
    rmSync(path.join(work, "00003.json"));
    expect((await philab(merge, { cwd: home })).err).toMatch(/1 of 8 shards .* phase 0: 3/);
    writeFileSync(path.join(home, "recipe.yaml"), RECIPE.replace("20", "21"));
    expect((await philab(run(3), { cwd: home })).err).toMatch(
      /stages, shards or philab's version have changed/,
    );
    const other = run(3).map((word) => word.replace("3/8", "3/9"));
    expect((await philab(other, { cwd: home })).err).toMatch(/8 shards, not 9/);
  });

  it("count ids that two of them share", async () => {
    const home = newHome("double");
    writeFiles(home, {
      "raw/b.jsonl": makeRows(4000)
        .slice(0, 9)
        .map((row) => ({ ...row, id: "raw/a.jsonl:3" })),
    });
    const ran = await philab(["data", "run", "recipe.yaml", "--out", "out"], { cwd: home });
    expect(ran.exit).toBe(3);
    expect(ran.err).toMatch(/1 ids belong to more than one document, such as raw\/a\.jsonl:3/);
  });
});

it("dedup keeps the longest of each kind, and says of the others how alike they are", async () => {
  const home = path.join(root, "dedup");
  const [long = "", other = ""] = makeRows(2).map(({ text }) => text);
  writeFiles(home, {
    "raw.jsonl": [
      { id: "short", text: long.slice(0, -40) },
      { id: "long", text: long },
      { id: "same", text: `${long}\n` },
      { id: "other", text: other },
    ],
  });
  const ran = await philab(["data", "dedup", "raw.jsonl", "--out", "out"], { cwd: home });
  expect(ran.exit, ran.err).toBe(0);
  const kept = (await documentsOf(path.join(home, "out"))).map(({ id }) => id);
  expect(kept).toEqual(["same", "other"]);
  const rejected = rowsBelow(path.join(home, "out", "rejected"));
  expect(rejected).toMatchObject([
    { id: "short", rejected: { stage: "dedup", rule: "near_duplicate" } },
    {
      id: "long",
      rejected: { stage: "dedup", rule: "exact_duplicate" },
      scores: { "dedup.similarity": 1 },
    },
  ]);
  const exact = await philab(["data", "dedup", "raw.jsonl", "--out", "exact", "--no-near"], {
    cwd: home,
  });
  expect(exact.exit, exact.err).toBe(0);
  expect(await documentsOf(path.join(home, "exact"))).toHaveLength(3);
});
