/** Tokenizers for tests, and the temporary directories that hold their files. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";

import * as huggingFace from "@huggingface/tokenizers";

import { loadTokenizer, type Tokenizer } from "../../src/tokenizer/index.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

/** The bundled model's directory. */
export const PHI_MICRO = join(ROOT, "models/phi-micro");

/** Phi-2's tokenizer.json. */
export function phi2TokenizerJson(): string {
  const packed = readFileSync(join(ROOT, "test/fixtures/phi-2-tokenizer.json.gz"));
  return gunzipSync(packed).toString("utf8");
}

/** The part of Hugging Face's JavaScript library that serves as an oracle; its own types do not resolve. */
export const HuggingFaceTokenizer = (huggingFace as Record<string, unknown>).Tokenizer as new (
  json: unknown,
  config: object,
) => { encode(text: string): { ids: number[] } };

/** The part of a tokenizer.json that tests change. */
export interface TokenizerJson {
  added_tokens: { id: number; content: string; special: boolean }[];
  model: { vocab: Record<string, number>; merges: [string, string][] } & Record<string, unknown>;
  [field: string]: unknown;
}

/** A file of test/fixtures with one JSON value on each line. */
export function fixtureLines<T>(name: string): T[] {
  const text = readFileSync(join(ROOT, "test/fixtures", name), "utf8");
  return text
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as T);
}

/** A new directory with these files, gone when disposed of. */
export function directoryWith(
  files: Readonly<Record<string, string>>,
): Disposable & { path: string } {
  const path = mkdtempSync(join(tmpdir(), "philab-tokenizer-"));
  for (const [name, contents] of Object.entries(files)) writeFileSync(join(path, name), contents);
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true }) };
}

/** Opens a tokenizer from the contents of its files: texts, or values to be written as JSON. */
export async function loadFiles(files: Readonly<Record<string, unknown>>): Promise<Tokenizer> {
  using directory = directoryWith(
    Object.fromEntries(
      Object.entries(files).map(([name, contents]) => [
        name,
        typeof contents === "string" ? contents : JSON.stringify(contents),
      ]),
    ),
  );
  return await loadTokenizer(directory.path);
}
