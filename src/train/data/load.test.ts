import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { gzipSync } from "node:zlib";
import { afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { PHI_MICRO } from "../../../test/support/tokenizers.ts";
import { loadTokenizer, type Tokenizer } from "../../tokenizer/index.ts";
import { BatchStream } from "./batches.ts";
import { loadData, type DataReport, type LoadOptions } from "./load.ts";

let tokenizer: Tokenizer;
beforeAll(async () => {
  tokenizer = await loadTokenizer(PHI_MICRO);
});

let folder: string;
beforeEach(() => (folder = mkdtempSync(path.join(os.tmpdir(), "philab-data-"))));
afterEach(() => {
  rmSync(folder, { recursive: true });
});

/** Writes a file; objects become the lines of a JSONL file. */
function write(name: string, ...lines: (object | string)[]): string {
  const file = path.join(folder, name);
  mkdirSync(path.dirname(file), { recursive: true });
  const text = lines.map((line) => (typeof line === "string" ? line : JSON.stringify(line)));
  const contents = text.join("\n");
  writeFileSync(file, name.endsWith(".gz") ? gzipSync(contents) : contents);
  return file;
}

const load = (
  paths: string | string[],
  options: Partial<LoadOptions> = {},
): ReturnType<typeof loadData> => loadData([paths].flat(), { tokenizer, length: 64, ...options });

async function reportOf(
  paths: string | string[],
  options: Partial<LoadOptions> = {},
): Promise<DataReport> {
  return (await load(paths, options)).report;
}

/** The sequences of the data, as text. */
async function textsOf(
  paths: string | string[],
  options: Partial<LoadOptions> = {},
): Promise<string[]> {
  const { dataset } = await load(paths, options);
  return Array.from({ length: dataset.store.sequences }, (_, i) => {
    const start = dataset.store.start(i);
    return tokenizer.decode(
      Array.from({ length: dataset.store.length(i) }, (_, at) => dataset.store.id(start + at)),
    );
  });
}

const END = "<|endoftext|>";
const QUESTION = { prompt: "def one():", completion: "\n    return 1\n" };

describe("sources", () => {
  test("are files and directories, plain or packed, in order of their names", async () => {
    write("d/b.jsonl.gz", { text: "second" }, { text: "third" });
    write("d/a.txt", "first\nfile");
    write("d/sub/c.py", "x = 1\n");
    write("d/image.png", "…");
    write("d/.hidden.txt", "no");
    const single = write("e.ndjson", { text: "last" });
    expect(await textsOf([path.join(folder, "d"), single])).toEqual(
      ["first\nfile", "second", "third", "x = 1\n", "last"].map((text) => END + text + END),
    );
    const report = await reportOf([path.join(folder, "d"), single]);
    expect(report.ignoredFiles).toEqual([path.join(folder, "d/image.png")]);
    expect(report.files).toHaveLength(4);
  });

  test("that are no data are refused with what to do", async () => {
    await expect(load(write("a.json", "[]"))).rejects.toMatchObject({
      code: "unsupported",
      hint: "Write the list as lines: jq -c '.[]' a.json > a.jsonl",
    });
    await expect(load(path.join(folder, "none.jsonl"))).rejects.toMatchObject({
      code: "not_found",
    });
    write("d/x.png", "");
    await expect(load(path.join(folder, "d"))).rejects.toThrow(/d holds no data$/);
  });

  test("may each have a form of their own", async () => {
    const files = [
      write("a.jsonl", QUESTION),
      write("b.jsonl", { instruction: "Say hi.", output: "Hi" }),
      write("c.jsonl", { text: "A text." }),
    ];
    expect(await textsOf(files)).toEqual([
      `${END}def one():\n    return 1\n${END}`,
      `${END}Instruct: Say hi.\nOutput: Hi${END}`,
      `${END}A text.${END}`,
    ]);
    expect((await load(files)).dataset.kind).toBe("answers");
  });

  test("without examples are an error", async () => {
    await expect(load(write("a.jsonl", ""))).rejects.toThrow(
      "the data holds no example to train on",
    );
  });
});

describe("rows that are wrong", () => {
  const bad: [string, object | string, string][] = [
    ["cut off", '{"prompt": "a", "compl', "the line is no JSON: "],
    ["of another form", { text: "x" }, "prompt is missing, not a text"],
    ["without an answer", { prompt: "a", completion: "" }, "the answer is empty"],
    ["no object", "[1, 2]", "the row is a list, not an object"],
  ];

  test.each(bad)("%s: an error with file and line", async (_, row, problem) => {
    const file = write("a.jsonl", QUESTION, "", row, QUESTION);
    await expect(load(file)).rejects.toMatchObject({
      code: "bad_input",
      message: expect.stringContaining(`a.jsonl:3: ${problem}`) as string,
      hint: expect.stringContaining("--skip-bad-rows") as string,
    });
  });

  test("are put aside, counted and kept in a file, if asked", async () => {
    const lines = bad.map(([, row]) => row);
    const file = write("a.jsonl", ...lines.slice(3), QUESTION, ...lines.slice(0, 3), QUESTION);
    const quarantineFile = path.join(folder, "bad-rows.jsonl");
    const report = await reportOf(file, { skipBadRows: true, quarantineFile });
    expect(report.examples).toBe(2);
    expect(report.badRows.count).toBe(4);
    expect(report.badRows.first.map(({ line }) => line)).toEqual([1, 3, 4, 5]);
    const kept = readFileSync(quarantineFile, "utf8").trim().split("\n");
    expect(kept.map((line) => JSON.parse(line) as object)[3]).toEqual({
      file,
      line: 5,
      problem: "the answer is empty",
      text: '{"prompt":"a","completion":""}',
    });
  });

  test("leave no file where there are none", async () => {
    const quarantineFile = path.join(folder, "bad-rows.jsonl");
    await load(write("a.jsonl", QUESTION), { skipBadRows: true, quarantineFile });
    expect(existsSync(quarantineFile)).toBe(false);
  });

  test("columns of no form are an error even so, since no row could be read", async () => {
    const file = write("a.jsonl", { a: 1 });
    await expect(load(file, { skipBadRows: true })).rejects.toThrow(
      /a\.jsonl:1: the columns \(a\)/,
    );
  });

  test("a conversation that a format cannot hold is one", async () => {
    const file = write("a.jsonl", { instruction: "x", output: "y", system: "z" });
    await expect(load(file)).rejects.toThrow(/a\.jsonl:1: the format qa holds one question/);
    expect((await load(file, { format: "chat" })).report.examples).toBe(1);
  });

  test("pairs and other examples do not mix", async () => {
    const pair = write("p.jsonl", { prompt: "q", chosen: "a", rejected: "b" });
    const other = write("o.jsonl", QUESTION);
    await expect(load([other, pair])).rejects.toThrow(/p\.jsonl:1: a pair of answers among other/);
    await expect(load([pair, other])).rejects.toThrow(/o\.jsonl:1: no pair of answers/);
    expect((await load(pair)).dataset).toMatchObject({
      kind: "pairs",
      examples: Uint32Array.of(0),
    });
  });
});

describe("examples longer than the context", () => {
  // Start token, four tokens of the prompt, the answer's, end token.
  const numbers = "1 2 3 4 5 6 7 8 9";
  const long = { prompt: "a b c d", completion: ` ${numbers}` };
  const length = 8;
  const short = { prompt: "a", completion: "b" };
  const file = (): string => write("a.jsonl", short, long, long);

  test("are an error that names the first, its tokens, and the choices", async () => {
    await expect(load(file(), { length: 13 })).rejects.toMatchObject({
      code: "too_long",
      message: expect.stringMatching(
        /a\.jsonl:2: the example has 15 tokens; the context holds 13$/,
      ) as string,
      hint: expect.stringContaining("--on-overflow: cut, drop or split") as string,
    });
  });

  test("are cut, and the report says what was lost", async () => {
    expect((await textsOf(file(), { length, onOverflow: "cut" }))[1]).toBe(`${END}a b c d 1 2 3`);
    expect((await reportOf(file(), { length, onOverflow: "cut" })).overflow).toEqual({
      action: "cut",
      examples: 2,
      dropped: 0,
      lostTokens: 14,
      longest: { file: path.join(folder, "a.jsonl"), line: 2, tokens: 15 },
    });
  });

  test("are left out where cutting leaves nothing of the answer", async () => {
    const report = await reportOf(file(), { length: 5, onOverflow: "cut" });
    expect([report.examples, report.overflow.dropped]).toEqual([1, 2]);
    await expect(
      load(write("b.jsonl", long), { length: 5, onOverflow: "cut" }),
    ).rejects.toMatchObject({
      message: "the data holds no example to train on",
      hint: expect.stringContaining("longer than 5 tokens: 1.") as string,
    });
  });

  test("are dropped", async () => {
    const report = await reportOf(file(), { length: 10, onOverflow: "drop" });
    expect([report.examples, report.sequences, report.overflow.dropped]).toEqual([1, 1, 2]);
  });

  test("are split so that each learned token is learned once", async () => {
    const texts = await textsOf(file(), { length, onOverflow: "split" });
    expect(texts.slice(-2)).toEqual([`${END}a b c d 1 2 3`, ` 3 4 5 6 7 8 9${END}`]);
    const { dataset, report } = await load(file(), { length, onOverflow: "split" });
    const whole = await load(file(), { length: 64 });
    const learned = (data: typeof dataset): number =>
      [...new BatchStream(data, { batchSize: 2 })].reduce((sum, batch) => sum + batch.learned, 0);
    expect(learned(dataset)).toBe(learned(whole.dataset));
    expect(report).toMatchObject({
      examples: 3,
      longest: 8,
      overflow: { lostTokens: 0, dropped: 0 },
    });
  });

  test("are no matter for documents that are wrapped", async () => {
    const text = write("t.txt", `${numbers} `.repeat(20));
    const { report, dataset } = await load(text, { length, anyLength: true });
    expect(report.overflow.examples).toBe(0);
    expect(dataset.store.length(0)).toBeGreaterThan(length);
    const stream = new BatchStream(dataset, { batchSize: 1, packing: "wrapped" });
    expect([...stream].reduce((sum, { learned }) => sum + learned, 0)).toBe(report.tokens - 1);
  });

  test("pairs are cut or dropped, not split", async () => {
    const pair = write("p.jsonl", { prompt: "a b", chosen: " 1", rejected: ` ${numbers}` });
    await expect(load(pair, { length, onOverflow: "split" })).rejects.toThrow(
      /pair of answers cannot be split/,
    );
    expect((await textsOf(pair, { length, onOverflow: "cut" })).map((text) => text.length)).toEqual(
      [`${END}a b 1${END}`.length, `${END}a b 1 2 3 4 5`.length],
    );
  });
});

describe("the report", () => {
  test("counts tokens, those learned, and borders that the tokenizer would join", async () => {
    const report = await reportOf(write("a.jsonl", QUESTION, { prompt: "x = ", completion: "1" }));
    expect(report).toMatchObject({ kind: "answers", examples: 2, sequences: 2, limited: false });
    expect(report.tokens).toBeGreaterThan(report.learnedTokens);
    expect(report.joinedBorders).toEqual({
      count: 1,
      first: { file: path.join(folder, "a.jsonl"), line: 2 },
    });
  });

  test("says whether a limit left rows unread", async () => {
    const file = write("a.jsonl", QUESTION, QUESTION, QUESTION);
    expect(await reportOf(file, { limit: 2 })).toMatchObject({ examples: 2, limited: true });
    expect(await reportOf(file, { limit: 3 })).toMatchObject({ examples: 3, limited: false });
  });

  test("the same data has the same fingerprint; other masks or lengths have another", async () => {
    const file = write("a.jsonl", QUESTION);
    const fingerprint = async (options: Partial<LoadOptions> = {}): Promise<string> =>
      (await load(file, options)).dataset.fingerprint();
    expect(await fingerprint()).toBe(await fingerprint());
    expect(await fingerprint({ trainOnPrompts: true })).not.toBe(await fingerprint());
    expect(await fingerprint({ length: 32 })).not.toBe(await fingerprint());
  });
});

test("progress and an abort", async () => {
  const file = write("a.jsonl", ...Array<object>(2000).fill(QUESTION));
  const seen: number[] = [];
  await load(file, { onProgress: ({ bytes, totalBytes }) => seen.push(bytes / totalBytes) });
  expect(seen.at(-1)).toBe(1);
  await expect(load(file, { signal: AbortSignal.abort() })).rejects.toMatchObject({
    code: "interrupted",
  });
});

test.each([1, 2.5, 0])("sequences of %d tokens are refused", async (length) => {
  await expect(load(write("a.jsonl", QUESTION), { length })).rejects.toThrow(
    /at least 2 are needed/,
  );
});
