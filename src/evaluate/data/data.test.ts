/** Where rows come from: files that other programs wrote, directories, a hub. */
import { createHash } from "node:crypto";
import { createServer, type Server } from "node:http";
import { mkdtemp, readFile, rm, writeFile, mkdir, readdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it, test } from "vitest";
import { fixture } from "../../../test/support/golden.ts";
import { selectTasks } from "../select.ts";
import { csvCells } from "../tasks/forms.ts";
import type { Row, Task } from "../task.ts";
import { bunzip } from "./bunzip.ts";
import { readRows } from "./read-file.ts";
import { loadSplit } from "./source.ts";

const ROWS: Row[] = Array.from({ length: 6 }, (_, i) => ({
  goal: `What is ${i} + ${i + 1}?`,
  sol1: String(2 * i + 1),
  sol2: String(i),
  label: i % 2,
  tags: ["sum", "é 😀"],
}));

const PROMPT = `canary
-----
Tell.

Q: one
A: Let's think step by step.
So the answer is 1.

Q: two
A: Let's think step by step.
So the answer is 2.
`;

async function task(name: string): Promise<Task> {
  const { tasks } = await selectTasks([name]);
  return tasks[0]?.task as Task;
}

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "philab-data-"));
});
afterEach(() => rm(folder, { recursive: true }));

describe("files", () => {
  it("are read as pyarrow and bzip2 wrote them", async () => {
    expect(await readRows(fixture("data/rows.parquet"))).toEqual(ROWS);
    const text = bunzip(await readFile(fixture("data/rows.jsonl.bz2"))).toString("utf8");
    const [rows, runs, pattern] = text.split(/\n(?=x)|(?<=x)\n/);
    expect(rows?.split("\n").map((line) => JSON.parse(line) as Row)).toEqual(ROWS);
    expect([runs, pattern]).toEqual(["x".repeat(300_000), "abcab".repeat(40_000)]);
  });

  it("are refused where they are damaged", async () => {
    const whole = await readFile(fixture("data/rows.jsonl.bz2"));
    for (const bytes of [whole.subarray(0, 200), Buffer.from("BZh9garbage"), Buffer.from("no")])
      expect(() => bunzip(bytes)).toThrow(/bzip2/);
    for (const [name, text] of [
      ["a.jsonl", '{"a": 1}\n{'],
      ["a.json", '"x"'],
      ["a.parquet", "PAR1"],
    ] as const) {
      await writeFile(path.join(folder, name), text);
      await expect(readRows(path.join(folder, name))).rejects.toMatchObject({
        code: "corrupt_file",
      });
    }
  });

  test("CSV has quotes, and newlines in them", () => {
    expect(csvCells('a,"b ""c"", d"\r\n"e\nf",\n')).toEqual([
      ["a", 'b "c", d'],
      ["e\nf", ""],
    ]);
  });
});

describe("a directory", () => {
  it("may hold the hub's columns, or a benchmark's own files", async () => {
    const piqa = await task("piqa");
    await mkdir(path.join(folder, "piqa"));
    const plain = ROWS.map(({ label: _, ...row }) => JSON.stringify(row)).join("\n");
    await writeFile(path.join(folder, "piqa", "valid.jsonl"), plain);
    await writeFile(path.join(folder, "piqa", "valid-labels.lst"), "0\n1\n0\n1\n0\n1\n");
    const own = await loadSplit(piqa, "validation", { folder, dataFolder: "" });
    expect(own.rows.map(({ label }) => Number(label))).toEqual([0, 1, 0, 1, 0, 1]);
    expect(own.files.map(({ name }) => name)).toEqual(["valid.jsonl", "valid-labels.lst"]);

    const rows = ROWS.map((row) => JSON.stringify(row)).join("\n");
    await writeFile(path.join(folder, "piqa", "validation.jsonl"), rows);
    expect((await loadSplit(piqa, "validation", { folder, dataFolder: "" })).rows).toEqual(ROWS);
  });

  it("is told what was looked for where it has nothing", async () => {
    await expect(
      loadSplit(await task("mmlu_anatomy"), "test", { folder, dataFolder: "" }),
    ).rejects.toMatchObject({
      code: "not_found",
      hint: expect.stringMatching(/mmlu\/test\/anatomy_test\.csv.*cais\/mmlu/) as string,
    });
  });
});

describe("a hub", () => {
  let server: Server;
  let hubUrl: string;
  let asked: string[];
  let parquet: Buffer;
  let oid: string;
  beforeEach(async () => {
    parquet = await readFile(fixture("data/rows.parquet"));
    oid = createHash("sha256").update(parquet).digest("hex");
    asked = [];
    server = createServer((request, response) => {
      const pathname = decodeURIComponent(new URL(request.url ?? "/", "http://hub").pathname);
      asked.push(pathname);
      if (
        pathname.startsWith("/api/datasets/baber/piqa/tree/refs/convert/parquet/default/validation")
      ) {
        const file = {
          type: "file",
          oid: "1",
          size: parquet.length,
          path: "default/validation/0000.parquet",
        };
        response.setHeader("content-type", "application/json");
        response.end(
          JSON.stringify([{ ...file, lfs: { oid, size: parquet.length, pointerSize: 1 } }]),
        );
      } else if (pathname.endsWith("/default/validation/0000.parquet")) {
        response.setHeader("etag", `"${oid}"`);
        const range = /bytes=(\d+)-(\d+)/.exec(request.headers.range ?? "");
        const [from, to] = range ? [Number(range[1]), Number(range[2])] : [0, parquet.length - 1];
        if (range) {
          response.statusCode = 206;
          response.setHeader("content-range", `bytes ${from}-${to}/${parquet.length}`);
        }
        response.end(parquet.subarray(from, to + 1));
      } else if (pathname === "/owner/name/commit/prompt.txt") response.end(PROMPT);
      else {
        response.statusCode = 404;
        response.end("{}");
      }
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const address = server.address();
    hubUrl = `http://127.0.0.1:${typeof address === "object" && address !== null ? address.port : 0}`;
  });
  afterEach(() => new Promise((resolve) => server.close(resolve)));

  it("is asked once; what it gave is kept, and its licence is told", async () => {
    const piqa = await task("piqa");
    const told: string[] = [];
    const hub = { hubUrl, onFetch: (what: { licence: string }) => told.push(what.licence) };
    const first = await loadSplit(piqa, "validation", { dataFolder: folder, hub });
    expect(first.rows).toEqual(ROWS);
    const requests = asked.length;
    expect(await loadSplit(piqa, "validation", { dataFolder: folder, hub })).toEqual(first);
    expect(asked).toHaveLength(requests);
    expect(told).toEqual(["AFL-3.0"]);
  });

  it("is not believed where the hash differs, and nothing of it is kept", async () => {
    oid = "0".repeat(64);
    const loading = loadSplit(await task("piqa"), "validation", {
      dataFolder: folder,
      hub: { hubUrl },
    });
    await expect(loading).rejects.toMatchObject({ code: "corrupt_file" });
    expect(
      (await readdir(folder, { recursive: true })).filter((name) => /parquet|complete/.test(name)),
    ).toEqual([]);
  });

  it("has no prompts of BBH: they come from their repository, as the very bytes they were, once", async () => {
    const own = await task("bbh_cot_fewshot_snarks");
    expect(own.data.web?.["examples"]?.path).toMatch(/^suzgunmirac.*[0-9a-f]{40}.*snarks\.txt$/);
    const path_ = "owner/name/commit/prompt.txt";
    const wanted = (sha256: string): Task => ({
      ...own,
      data: { ...own.data, web: { examples: { path: path_, sha256 } } },
    });
    const hub = { filesUrl: hubUrl };
    const known = createHash("sha256").update(PROMPT).digest("hex");
    const load = (sha256: string) =>
      loadSplit(wanted(sha256), "examples", { dataFolder: folder, hub });
    await expect(load("0".repeat(64))).rejects.toMatchObject({ code: "corrupt_file" });
    const first = await load(known);
    expect(first.rows.map((row) => row["input"])).toEqual(["one", "two"]);
    expect(await load(known)).toEqual(first);
    expect(asked.filter((name) => name.endsWith("prompt.txt"))).toHaveLength(2);
  });

  it("may not have it, or not be there", async () => {
    const boolq = await task("boolq");
    await expect(
      loadSplit(boolq, "validation", { dataFolder: folder, hub: { hubUrl } }),
    ).rejects.toMatchObject({
      code: "not_found",
      hint: expect.stringContaining("--data") as string,
    });
    const gone = { hubUrl: "http://127.0.0.1:1" };
    await expect(
      loadSplit(boolq, "validation", { dataFolder: folder, hub: gone }),
    ).rejects.toMatchObject({
      code: "not_found",
    });
  });
});
