/** Small corpora for tests: files in a folder of their own, and what lies in a corpus that was made of them. */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { openCorpus, readCorpus, type Document } from "../../src/data/index.ts";

/** Writes files, making the folders they lie in; lists become JSON lines. */
export function writeFiles(
  folder: string,
  files: Readonly<Record<string, string | Uint8Array | readonly object[]>>,
): void {
  for (const [name, contents] of Object.entries(files)) {
    const file = path.join(folder, name);
    mkdirSync(path.dirname(file), { recursive: true });
    const isRows = Array.isArray(contents);
    writeFileSync(
      file,
      isRows
        ? contents.map((row) => `${JSON.stringify(row)}\n`).join("")
        : (contents as string | Uint8Array),
    );
  }
}

/** All documents of a corpus. */
export async function documentsOf(folder: string): Promise<Document[]> {
  const documents: Document[] = [];
  for await (const document of readCorpus(await openCorpus(folder))) documents.push(document);
  return documents;
}

/** The rows of every file below a folder, in order of their names. */
export function rowsBelow(folder: string): Record<string, unknown>[] {
  return readdirSync(folder)
    .sort()
    .flatMap((name) => readFileSync(path.join(folder, name), "utf8").split("\n"))
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

/** Every file below a folder with its bytes: equal for equal corpora. */
export function bytesBelow(folder: string): Record<string, string> {
  return Object.fromEntries(
    readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => path.join(entry.parentPath, entry.name))
      .sort()
      .map((file) => [path.relative(folder, file), readFileSync(file, "latin1")]),
  );
}
