/** Reading a corpus: its documents in order, a line of memory at a time. */
import path from "node:path";
import { LabError } from "../base/errors.ts";
import { readLines } from "../base/lines.ts";
import { DocumentProblem, parseDocument, type Document } from "./document.ts";
import { corpusHash, readManifest, type Manifest } from "./manifest.ts";
import type { ReadOptions } from "./read-sources.ts";

export interface Corpus {
  folder: string;
  manifest: Manifest;
  /** Of the manifest, which names the documents by their hashes. */
  sha256: string;
}

/** Throws `not_found`, `corrupt_file`. */
export async function openCorpus(folder: string): Promise<Corpus> {
  const manifest = await readManifest(folder);
  return { folder, manifest, sha256: corpusHash(manifest) };
}

/** All documents of a corpus, part after part. Throws `corrupt_file` with the line, `not_found`, `interrupted`. */
export async function* readCorpus(
  { folder, manifest }: Corpus,
  options: ReadOptions = {},
): AsyncGenerator<Document, void, undefined> {
  for (const { name } of manifest.parts) yield* readDocuments(path.join(folder, name), options);
}

/** The documents of one file that philab wrote. Throws as `readCorpus`. */
export async function* readDocuments(
  file: string,
  options: ReadOptions = {},
): AsyncGenerator<Document, void, undefined> {
  for await (const { number, text } of readLines(file, options)) {
    try {
      yield parseDocument(text);
    } catch (error) {
      if (!(error instanceof DocumentProblem)) throw error;
      throw new LabError("corrupt_file", `${file}:${number}: ${error.message}`, {
        hint: "philab wrote the file; something has changed it since.",
        cause: error,
      });
    }
  }
}
