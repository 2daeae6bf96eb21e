/** The tokenizer of a model's files. */
import { dirname } from "node:path";
import { LabError } from "../base/errors.ts";
import type { Checkpoint } from "../checkpoint/index.ts";
import { isSentencePieceGguf, sentencePieceOf } from "../model/gguf-sentencepiece.ts";
import { tokenizerDataFromGguf } from "../model/gguf-tokenizer.ts";
import { loadTokenizer, tokenizerFromGguf, type Tokenizer } from "../tokenizer/index.ts";

/** Undefined where the files hold none: prompts are given as ids then. */
export async function openTokenizer(checkpoint: Checkpoint): Promise<Tokenizer | undefined> {
  if (checkpoint.format === "gguf") {
    if (isSentencePieceGguf(checkpoint)) return sentencePieceOf(checkpoint);
    const data = tokenizerDataFromGguf(checkpoint);
    return data === undefined ? undefined : tokenizerFromGguf(data);
  }
  const isFile = /\.(safetensors|json)$/.test(checkpoint.path);
  const directory = isFile ? dirname(checkpoint.path) : checkpoint.path;
  try {
    return await loadTokenizer(directory);
  } catch (error) {
    if (error instanceof LabError && error.code === "not_found") return undefined;
    throw error;
  }
}
