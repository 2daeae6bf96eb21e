/** What belongs to a model besides weights and shape: its tokenizer's files, and how it generates. */
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { LabError } from "../base/errors.ts";
import type { Checkpoint } from "../checkpoint/types.ts";
import type { PhiConfig } from "./config.ts";
import { tokenizerFilesFromGguf } from "./gguf-tokenizer.ts";
import { modelDirectory } from "./write-model.ts";

const COMPANION =
  /^(generation_config|tokenizer|tokenizer_config|special_tokens_map|added_tokens|vocab|chat_template)\.json$|^merges\.txt$|\.jinja$/;

/** Texts by file name, as they stand in the model's directory; those of a GGUF file in Hugging Face's form. */
export async function companionFiles(
  checkpoint: Checkpoint,
  { contextLength }: Pick<PhiConfig, "contextLength">,
): Promise<Record<string, string>> {
  if (checkpoint.format !== "gguf") return companionFilesIn(modelDirectory(checkpoint));
  const { path, metadata } = checkpoint;
  const files = tokenizerFilesFromGguf(metadata, { path, contextLength });
  return Object.fromEntries(
    [...files].map(([name, value]) => [name, `${JSON.stringify(value, null, 2)}\n`]),
  );
}

/** The same of a directory, which may hold a tokenizer alone. */
export async function companionFilesIn(directory: string): Promise<Record<string, string>> {
  try {
    const names = (await readdir(directory)).filter((name) => COMPANION.test(name)).sort();
    const texts = names.map(async (name) => [name, await readFile(join(directory, name), "utf8")]);
    return Object.fromEntries(await Promise.all(texts)) as Record<string, string>;
  } catch (error) {
    throw LabError.from(error);
  }
}
