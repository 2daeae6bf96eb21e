import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readLines, readWholeText, type Line } from "./lines.ts";

let folder: string;
beforeAll(() => (folder = mkdtempSync(path.join(os.tmpdir(), "philab-lines-"))));
afterAll(() => {
  rmSync(folder, { recursive: true });
});

function write(name: string, contents: string | Uint8Array): string {
  const file = path.join(folder, name);
  writeFileSync(file, contents);
  return file;
}

async function linesOf(file: string): Promise<Line[]> {
  const lines: Line[] = [];
  for await (const line of readLines(file)) lines.push(line);
  return lines;
}

const texts = (lines: readonly Line[]): unknown[] => lines.map(({ text }) => text);

describe("lines of a file", () => {
  test("are what stands between line feeds, whatever it is, packed or not", async () => {
    const line = fc.string({ unit: "grapheme" }).map((s) => s.replace(/[\r\n\ufeff]/g, ""));
    await fc.assert(
      fc.asyncProperty(fc.array(line, { minLength: 1 }), async (lines) => {
        const text = lines.map((l) => `${l}\n`).join("");
        expect(texts(await linesOf(write("a.jsonl", text)))).toEqual(lines);
        expect(texts(await linesOf(write("a.jsonl.gz", gzipSync(text))))).toEqual(lines);
      }),
      { numRuns: 30 },
    );
  });

  test("are read from Zstandard frames, several in a file too", async () => {
    // printf 'hello zstd\nline two\n' | zstd -19 | base64
    const frame = Buffer.from("KLUv/QRooQAAaGVsbG8genN0ZApsaW5lIHR3bwpc6OJE", "base64");
    const file = write("z.jsonl.zst", Buffer.concat([frame, frame]));
    expect(texts(await linesOf(file))).toEqual([
      ...["hello zstd", "line two", "hello zstd", "line two"],
    ]);
    for (const damaged of [frame.subarray(0, 20), Buffer.from("no frame at all")])
      await expect(linesOf(write("cut.zst", damaged))).rejects.toMatchObject({
        code: "corrupt_file",
      });
  });

  test("are numbered from 1; the last needs no line feed", async () => {
    expect(await linesOf(write("n.jsonl", "a\n\nb"))).toEqual([
      { number: 1, text: "a" },
      { number: 2, text: "" },
      { number: 3, text: "b" },
    ]);
    expect(await linesOf(write("empty.jsonl", ""))).toEqual([]);
  });

  test("may be longer than what is read at a time", async () => {
    const long = "é".repeat(300_000);
    expect(texts(await linesOf(write("long.jsonl", `a\n${long}\n${long}`)))).toEqual([
      "a",
      long,
      long,
    ]);
  });

  test("are not cut at U+2028, U+2029 or U+0085, which texts in JSON may hold", async () => {
    const line = '{"text":"a\u2028b\u2029c\u0085d\u000be"}';
    expect(texts(await linesOf(write("u.jsonl", `${line}\n`)))).toEqual([line]);
  });

  test("lose the carriage return of Windows and a byte order mark at the start, no other", async () => {
    const file = write("crlf.jsonl", "\ufeffa\r\n\ufeffb\rc\r\n");
    expect(texts(await linesOf(file))).toEqual(["a", "\ufeffb\rc"]);
  });

  test("that are no UTF-8 have no text", async () => {
    const file = write(
      "latin1.jsonl",
      Buffer.concat([Buffer.from("a\n"), Buffer.from([0xe9, 0x0a]), Buffer.from("b")]),
    );
    expect(texts(await linesOf(file))).toEqual(["a", undefined, "b"]);
  });
});

describe("what cannot be read", () => {
  test("a missing file is not found, with its name", async () => {
    await expect(linesOf(path.join(folder, "no.jsonl"))).rejects.toMatchObject({
      code: "not_found",
      message: expect.stringContaining("no.jsonl") as string,
    });
  });

  test.each(["cut off", "no gzip at all"])("a .gz that is %s is corrupt", async (how) => {
    const packed = gzipSync("line\n".repeat(10_000));
    const file = write("bad.jsonl.gz", how === "cut off" ? packed.subarray(0, 50) : "line\n");
    await expect(linesOf(file)).rejects.toMatchObject({ code: "corrupt_file" });
  });

  test("an abort ends it", async () => {
    const file = write("a.jsonl", "a\n".repeat(10));
    const lines = readLines(file, { signal: AbortSignal.abort() });
    await expect(lines.next()).rejects.toMatchObject({ code: "interrupted" });
  });
});

test("a whole text keeps its line ends and loses a byte order mark", async () => {
  expect(await readWholeText(write("t.txt", "\ufeffa\r\nb\n"))).toBe("a\r\nb\n");
  expect(await readWholeText(write("t.txt.gz", gzipSync("é")))).toBe("é");
  const latin1 = write("l.txt", Buffer.from([0x61, 0xe9]));
  await expect(readWholeText(latin1)).rejects.toMatchObject({ code: "corrupt_file" });
});

test("progress counts the bytes of the file, up to its size", async () => {
  const text = "line\n".repeat(200_000);
  const seen: number[] = [];
  for await (const line of readLines(write("p.jsonl", text), { onBytes: (b) => seen.push(b) }))
    void line;
  expect(seen.length).toBeGreaterThan(1);
  expect(seen.at(-1)).toBe(text.length);
});
