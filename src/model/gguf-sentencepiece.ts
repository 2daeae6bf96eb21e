/** The tokenizer of Llama-2 and Mistral in GGUF metadata: `tokenizer.ggml.model` is `llama`, with scores. */
import { corrupt } from "../checkpoint/corrupt.ts";
import {
  ggufBoolean,
  ggufInteger,
  ggufIntegers,
  ggufNumbers,
  ggufString,
  ggufStrings,
} from "../checkpoint/gguf-values.ts";
import type { GgufCheckpoint } from "../checkpoint/types.ts";
import { sentencePieceFromScores, type Tokenizer } from "../tokenizer/index.ts";

const key = (name: string): string => `tokenizer.ggml.${name}`;

export function isSentencePieceGguf({ metadata }: Pick<GgufCheckpoint, "metadata">): boolean {
  return ggufString(metadata, key("model")) === "llama";
}

/** Throws `corrupt_file` for metadata that is incomplete or of the wrong type. */
export function sentencePieceOf({ path, metadata }: GgufCheckpoint): Tokenizer {
  const required = <T>(name: string, value: T | undefined): T => {
    if (value === undefined) throw corrupt(path, `the metadata has no ${key(name)}`);
    return value;
  };
  const bosTokenId = ggufInteger(metadata, key("bos_token_id"));
  return sentencePieceFromScores(
    {
      tokens: required("tokens", ggufStrings(metadata, key("tokens"))),
      tokenTypes: required("token_type", ggufIntegers(metadata, key("token_type"))),
      scores: required("scores", ggufNumbers(metadata, key("scores"))),
      bosTokenId,
      eosTokenId: ggufInteger(metadata, key("eos_token_id")),
      // llama.cpp's defaults for this kind.
      addBosToken: ggufBoolean(metadata, key("add_bos_token")) ?? bosTokenId !== undefined,
      prefix: ggufBoolean(metadata, key("add_space_prefix")) === false ? "none" : "always",
    },
    path,
  );
}
