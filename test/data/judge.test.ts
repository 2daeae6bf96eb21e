/** From a corpus to its best part: `philab data annotate`, `classify` and `select`. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Random } from "../../src/base/random.ts";
import { sha256 } from "../../src/base/hash.ts";
import { readAnnotations } from "../../src/data/judge/annotate.ts";
import { readManifest } from "../../src/data/index.ts";
import { json, philab } from "../support/cli.ts";
import { bytesBelow, documentsOf, rowsBelow, writeFiles } from "../support/corpora.ts";

const root = mkdtempSync(path.join(tmpdir(), "philab-judge-"));
afterAll(() => {
  rmSync(root, { recursive: true });
});

const random = new Random(4);
const pick = (words: readonly string[]): string => words[random.integer(words.length)]!;

/** A function that is explained; every third has an assertion that does not hold. */
function lesson(i: number): string {
  const [name, by] = [pick(["scale", "grow", "times"]), 2 + random.integer(7)];
  const value = 3 * by + (i % 3 === 0 ? 1 : 0);
  return `def ${name}(x):\n    """Return ${by} times x."""\n    return ${by} * x\n\nassert ${name}(3) == ${value}\n`;
}
/** Letters without sense, in lines as long as those of a lesson. */
function noise(): string {
  const line = (): string =>
    Array.from({ length: 5 }, () => pick(["zq", "0x3f", "%%", "lorem", "|", "77", "xx;"])).join(
      " ",
    );
  return Array.from({ length: 5 }, line).join("\n");
}

const rows = Array.from({ length: 120 }, (_, i) => {
  const good = i % 4 === 0;
  return { id: `d${i}`, text: good ? lesson(i / 4) : noise(), source: good ? "school" : "street" };
});

async function run(...argv: string[]): Promise<Record<string, unknown>> {
  const ran = await philab(["data", ...argv, "--json"], { cwd: root });
  expect(ran.exit, ran.err).toBe(0);
  return json(ran);
}

beforeAll(async () => {
  writeFiles(root, {
    "rows.jsonl": rows,
    // The annotator knows where a document is from, and has read half of them.
    "ratings.jsonl": rows.slice(0, 60).map(({ id, text, source }) => ({
      ...{ id, sha256: sha256(text), annotator: "script" },
      rating: source === "school" ? 4 : 1,
    })),
  });
  await run("ingest", "rows.jsonl", "--out", "corpus", "--language", "python");
});

describe("classify and select", () => {
  it("scores every document by what half of them teach, and keeps the good that run", async () => {
    const argv = ["classify", "corpus", "--annotations", "ratings.jsonl"];
    const scored = await run(...argv, "--out", "scored");
    expect(scored["performances"]).toMatchObject([
      { kind: "forest" },
      { kind: "linear" },
      { kind: "ngrams" },
      { kind: "heuristics" },
    ]);
    for (const { auc } of scored["performances"] as { auc: number }[])
      expect(auc).toBeGreaterThan(0.95);
    const documents = await documentsOf(path.join(root, "scored"));
    expect(documents).toHaveLength(120);
    for (const { source, scores } of documents)
      expect(scores["quality.forest"]! > 0.5).toBe(source === "school");
    const page = readFileSync(path.join(root, "scored.classifier", "report.html"), "utf8");
    for (const words of ["ROC curves", "Decile 10", "Calibration", "times x."])
      expect(page.includes(words), words).toBe(true);

    const chosen = await run(
      ...["select", "scored", "--out", "chosen", "--threshold", "0.5"],
      // Nothing here is a loop; a busy machine takes its time.
      ...["--run", "--timeout-ms", "60000"],
    );
    expect(chosen).toMatchObject({ score: "quality.forest", corpus: { documents: 20 } });
    const rejected = rowsBelow(path.join(root, "chosen", "rejected"));
    const rules = rejected.map(({ rejected: why }) => (why as { rule: string }).rule);
    expect(rules.filter((rule) => rule === "below")).toHaveLength(90);
    expect(rules.filter((rule) => rule === "failed")).toHaveLength(10);
    const { history } = await readManifest(path.join(root, "chosen"));
    expect(history.at(-1)).toMatchObject({ stage: "select", changes: { verified: 20 } });
  });

  it("gives the same bytes again, and whatever the shards", async () => {
    const argv = ["classify", "corpus", "--annotations", "ratings.jsonl", "--out", "again"];
    await run(...argv);
    const file = path.join("scored.classifier", "classifier.json");
    const [first, second] = [file, path.join("again.classifier", "classifier.json")].map((name) =>
      readFileSync(path.join(root, name), "utf8"),
    );
    expect(second).toBe(first);
    expect(bytesBelow(path.join(root, "again", "parts"))).toEqual(
      bytesBelow(path.join(root, "scored", "parts")),
    );
    writeFileSync(
      path.join(root, "recipe.yaml"),
      `name: sharded\nshards: 3\nsources: [{ path: corpus }]\nstages: [{ use: classify, classifier: ${path.join(root, file)} }]\n`,
    );
    await run("run", "recipe.yaml", "--out", "sharded");
    const scores = async (name: string): Promise<Record<string, unknown>> =>
      Object.fromEntries(
        (await documentsOf(path.join(root, name))).map(({ id, scores: own }) => [id, own]),
      );
    expect(await scores("sharded")).toEqual(await scores("scored"));
  });

  it("any kind of classifier comes back from its file as it was", async () => {
    for (const kind of ["linear", "ngrams", "heuristics"]) {
      const out = `by-${kind}`;
      const argv = ["classify", "corpus", "--annotations", "ratings.jsonl", "--classifier", kind];
      await run(...argv, "--out", out);
      const chosen = await run("select", out, "--out", `${out}-chosen`, "--min-recall", "1");
      expect((chosen["corpus"] as { documents: number }).documents).toBeGreaterThanOrEqual(30);
    }
  });

  it("refuses what makes no sense, and says what would", async () => {
    const refused = async (...argv: string[]): Promise<string> => {
      const { exit, err } = await philab(["data", ...argv], { cwd: root });
      expect(exit).toBe(2);
      return err;
    };
    const select = ["select", "scored", "--out", "none"];
    expect(await refused(...select, "--threshold", "0.5", "--min-recall", "0.9")).toContain(
      "more than one rule",
    );
    expect(await refused("select", "corpus", "--out", "none")).toContain("--classifier");
    const unscored = ["select", "corpus", "--out", "unscored", "--score", "quality.forest"];
    expect(await refused(...unscored, "--threshold", "0.5")).toContain("has no score");
    writeFileSync(path.join(root, "foreign.jsonl"), "");
    const classify = ["classify", "corpus", "--out", "none"];
    expect(await refused(...classify, "--annotations", "foreign.jsonl")).toContain(
      "none of 0 annotations is of this corpus",
    );
    const text = readFileSync(path.join(root, "scored.classifier", "classifier.json"), "utf8");
    // A tree that walks in circles.
    const value = JSON.parse(text) as { learned: { model: { trees: { left: number[] }[] } } };
    value.learned.model.trees[0]!.left[0] = 0;
    writeFileSync(path.join(root, "circle.json"), JSON.stringify(value));
    writeFileSync(path.join(root, "half.json"), text.slice(0, 5000));
    for (const name of ["circle.json", "half.json"])
      expect(await refused(...select, "--classifier", name)).toContain("no sound classifier");
  });
});

describe("annotate", () => {
  let server: Server;
  let url: string;
  const asked: { prompt: string; temperature: number }[] = [];
  beforeAll(async () => {
    server = createServer((request, response) => {
      let body = "";
      request.on("data", (piece: Buffer) => (body += piece.toString()));
      request.on("end", () => {
        const question = JSON.parse(body) as (typeof asked)[number];
        asked.push(question);
        const good = question.prompt.includes("def ");
        // The first answer is always a polite evasion.
        const text = question.temperature === 0 ? " It depends." : good ? " 5" : " Score: 0/5";
        response.end(JSON.stringify({ choices: [{ text }] }));
      });
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    url = `http://127.0.0.1:${(server.address() as { port: number }).port}/v1`;
  });
  afterAll(() => server.close());

  it("asks an endpoint until it answers, and goes on with a larger sample", async () => {
    const argv = ["annotate", "corpus", "--out", "by-model.jsonl", "--endpoint", url];
    const first = await run(...argv, "--model", "teacher", "--sample", "10");
    expect(first).toMatchObject({ annotated: 10, nonsense: 10, asked: 20, unanswered: 0 });
    const more = await run(...argv, "--model", "teacher", "--sample", "15");
    expect(more).toMatchObject({ known: 10, annotated: 5 });
    expect(asked).toHaveLength(30);
    const texts = new Map(rows.map(({ id, text }) => [id, text]));
    for (const { id, rating, annotator } of await readAnnotations(
      path.join(root, "by-model.jsonl"),
    )) {
      expect(rating).toBe(texts.get(id)!.includes("def ") ? 5 : 0);
      expect(annotator).toBe("teacher");
    }
  });

  it("takes a person's lines, asks again where one is no rating, and keeps what came before the end", async () => {
    const argv = ["data", "annotate", "corpus", "--out", "by-hand.jsonl", "--person"];
    const { exit, err } = await philab([...argv, "--sample", "5"], {
      cwd: root,
      stdin: "4\nmaybe\n2\ns\n",
    });
    expect(exit).toBe(130);
    expect(err).toContain("A whole number from 0 to 5");
    const written = await readAnnotations(path.join(root, "by-hand.jsonl"));
    expect(written.map(({ rating, annotator }) => [rating, annotator])).toEqual([
      [4, "person"],
      [2, "person"],
    ]);
  });

  it("asks the model of this machine, and counts what it says", async () => {
    const argv = ["annotate", "corpus", "--out", "local.jsonl", "--sample", "3"];
    const counts = await run(...argv, "--attempts", "2", "--model", "phi-micro");
    const sum = ["annotated", "unanswered"].reduce((total, key) => total + Number(counts[key]), 0);
    expect(sum).toBe(3);
    const written = await readAnnotations(path.join(root, "local.jsonl"));
    expect(written).toHaveLength(Number(counts["annotated"]));
  });
});
