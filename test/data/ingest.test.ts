/** From files of every kind to a corpus, and what does not become one. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, describe, expect, it } from "vitest";
import { LabError } from "../../src/base/errors.ts";
import { readManifest, writeParquet } from "../../src/data/index.ts";
import { json, philab } from "../support/cli.ts";
import { bytesBelow, documentsOf, rowsBelow, writeFiles } from "../support/corpora.ts";

const root = mkdtempSync(path.join(tmpdir(), "philab-ingest-"));
afterAll(() => {
  rmSync(root, { recursive: true });
});

let count = 0;
function newFolder(files: Parameters<typeof writeFiles>[1]): string {
  const folder = path.join(root, String(count++));
  writeFiles(folder, files);
  return folder;
}

async function ingest(cwd: string, ...argv: string[]): Promise<void> {
  const ran = await philab(["data", "ingest", ...argv, "--out", "out"], { cwd });
  expect(ran.exit, ran.err).toBe(0);
}

describe("philab data ingest", () => {
  it("reads rows, texts and code, packed or not, and keeps what came with them", async () => {
    const row = { id: "r1", text: "A row.", license: "MIT", stars: 5, scores: { old: 0.5 } };
    const cwd = newFolder({
      "raw/a.jsonl": [row, { text: "Another.", source: "web", language: "EN" }],
      "raw/b.jsonl.gz": gzipSync('{"text":"Packed."}\n'),
      "raw/sub/c.py": "x = 1\n",
      "raw/d.txt": "Plain text.\n",
      "raw/.hidden.txt": "not read",
      "raw/picture.png": "not read either",
    });
    await ingest(cwd, "raw", "--source", "mine", "--licence", "CC0-1.0");
    const common = { source: "mine", licence: "CC0-1.0", language: null, scores: {}, metadata: {} };
    expect(await documentsOf(path.join(cwd, "out"))).toEqual([
      {
        ...{ ...common, id: "r1", text: "A row.", licence: "MIT" },
        ...{ scores: { old: 0.5 }, metadata: { stars: 5 } },
      },
      { ...common, id: "mine/a.jsonl:2", text: "Another.", source: "web", language: "en" },
      { ...common, id: "mine/b.jsonl.gz:1", text: "Packed." },
      { ...common, id: "mine/d.txt", text: "Plain text.\n", metadata: { path: "d.txt" } },
      {
        ...{ ...common, id: "mine/sub/c.py", text: "x = 1\n", language: "python" },
        metadata: { path: "sub/c.py" },
      },
    ]);
  });

  it("reads Parquet as it reads JSON lines, and a corpus as it was", async () => {
    const rows = Array.from({ length: 5000 }, (_, i) => ({
      ...{ id: `d${i}`, text: `Text ${i} — ünïcode\n`, source: "s", licence: "MIT" },
      ...{ language: null, scores: { q: i / 7 }, metadata: { n: [i], deep: { a: "ü" } } },
    }));
    const cwd = newFolder({ "rows.jsonl": rows });
    await writeParquet(path.join(cwd, "rows.jsonl"), path.join(cwd, "rows.parquet"));
    await ingest(cwd, "rows.parquet");
    expect(await documentsOf(path.join(cwd, "out"))).toEqual(rows);
    const again = await philab(["data", "ingest", "out", "--out", "again"], { cwd });
    expect(again.exit, again.err).toBe(0);
    expect(await documentsOf(path.join(cwd, "again"))).toEqual(rows);
  });

  it("gives the same documents in any number of shards", async () => {
    const rows = Array.from({ length: 50 }, (_, i) => ({ text: `Document ${i}` }));
    const cwd = newFolder({ "rows.jsonl": rows });
    await writeParquet(path.join(cwd, "rows.jsonl"), path.join(cwd, "rows.parquet"));
    const found: string[][] = [];
    for (const [name, shards] of [
      ["rows.jsonl", "1"],
      ["rows.jsonl", "7"],
      ["rows.parquet", "7"],
    ] as const) {
      const out = `${name}-${shards}`;
      const argv = ["data", "ingest", name, "--text-column", "text", "--shards", shards];
      expect((await philab([...argv, "--out", out], { cwd })).exit).toBe(0);
      found.push((await documentsOf(path.join(cwd, out))).map(({ text }) => text).sort());
    }
    expect(found[0]).toHaveLength(50);
    expect(found[1]).toEqual(found[0]);
    expect(found[2]).toEqual(found[0]);
  });

  it("puts broken rows aside with their line numbers, and counts them", async () => {
    const lines = [
      '{"text":"good"}',
      '{"text":"cut o',
      "[1,2]",
      "",
      '{"text":7}',
      '{"other":"no text"}',
      '{"text":" "}',
    ];
    const latin1 = Buffer.from([...Buffer.from('{"text":"caf'), 0xe9, ...Buffer.from('"}\n')]);
    const cwd = newFolder({
      "raw/a.jsonl": Buffer.concat([Buffer.from(`${lines.join("\n")}\n`), latin1]),
      "raw/b.txt": Buffer.from([0x63, 0xe9, 0x0a]),
      "raw/c.py": Buffer.from("x = 1\0\0"),
      "raw/d.md": "",
    });
    const ran = await philab(["data", "ingest", "raw", "--out", "out", "--json"], { cwd });
    expect(ran.exit, ran.err).toBe(0);
    expect(json(ran)["corpus"]).toMatchObject({ documents: 1, quarantined: 9 });
    const bad = rowsBelow(path.join(cwd, "out", "quarantine"));
    expect(bad.map(({ file, line }) => `${String(file)}:${String(line)}`)).toEqual([
      ...["a.jsonl:2", "a.jsonl:3", "a.jsonl:5", "a.jsonl:6", "a.jsonl:7", "a.jsonl:8"],
      ...["b.txt:1", "c.py:1", "d.md:1"],
    ]);
    expect(bad.map(({ problem }) => String(problem).replace(/JSON: .*/, "JSON"))).toEqual([
      "the line is no JSON",
      "the line is no JSON object",
      "text is no text",
      "text is no text",
      "text is empty",
      "the line is no UTF-8",
      "the text is no UTF-8",
      "the file is binary: it holds zero bytes",
      "the file is empty",
    ]);
    expect(bad[0]?.["text"]).toBe(lines[1]);
  });

  it("writes the same bytes for the same files, and hashes of all of them", async () => {
    const files = { "raw/a.jsonl": [{ text: "One." }, { text: "Two." }], "raw/b.md": "# B" };
    const [cwd, elsewhere] = [newFolder(files), newFolder(files)];
    await ingest(cwd, "raw");
    const argv = ["data", "ingest", path.join(elsewhere, "raw"), "--out", "deep/down/out"];
    expect((await philab(argv, { cwd: elsewhere })).exit).toBe(0);
    // The corpus is named after its folder, and so is this one.
    expect(bytesBelow(path.join(elsewhere, "deep/down/out"))).toEqual(
      bytesBelow(path.join(cwd, "out")),
    );
    const manifest = await readManifest(path.join(cwd, "out"));
    expect(manifest.inputs.map(({ name }) => name)).toEqual(["raw/a.jsonl", "raw/b.md"]);
    expect(manifest.sources).toEqual({
      raw: { documents: 3, textBytes: 11, licences: { unknown: 3 } },
    });
  });

  it("says what it asked for where there is nothing to read", async () => {
    const cwd = newFolder({
      "columns.jsonl": [{ body: "text under another name" }],
      "empty/notes.xyz": "",
      "broken.parquet": "no parquet",
      "double.jsonl": [
        { id: 1, text: "a" },
        { id: 1, text: "b" },
      ],
    });
    const failed = async (...argv: string[]): Promise<string> => {
      const out = `out-${count++}`;
      const { exit, err } = await philab(["data", "ingest", ...argv, "--out", out], { cwd });
      expect(exit).not.toBe(0);
      return err;
    };
    expect(await failed("columns.jsonl")).toMatch(/Its columns are body.*--text-column/s);
    expect(await failed("nothing.jsonl")).toMatch(/no such file/);
    expect(await failed("empty")).toMatch(/holds no data/);
    expect(await failed("empty/notes.xyz")).toMatch(/is no data that philab reads/);
    expect(await failed("broken.parquet")).toMatch(/broken\.parquet/);
    expect(await failed("double.jsonl")).toMatch(
      /1 ids belong to more than one document, such as 1/,
    );
  });

  it("does not write over another corpus, and finds parts that somebody changed", async () => {
    const cwd = newFolder({ "a.jsonl": [{ text: "One." }], "b.jsonl": [{ text: "Two." }] });
    await ingest(cwd, "a.jsonl");
    await ingest(cwd, "a.jsonl"); // is there already
    const other = await philab(["data", "ingest", "b.jsonl", "--out", "out"], { cwd });
    expect(other.err).toMatch(/holds a corpus already/);
    const part = path.join(cwd, "out", "parts", "00000.jsonl");
    writeFileSync(part, readFileSync(part, "utf8").slice(0, -9));
    await expect(documentsOf(path.join(cwd, "out"))).rejects.toThrow(LabError);
  });
});
