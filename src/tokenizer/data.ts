import { LabError } from "../base/errors.ts";
import { unspell } from "./byte-alphabet.ts";
import type { Merge } from "./merge-table.ts";

/** What a token is, with GGUF's numbers (`tokenizer.ggml.token_type`). */
export const TOKEN_TYPE = {
  /** Part of the byte pair encoding, spelt in the byte alphabet. */
  normal: 1,
  unknown: 2,
  /** Special, such as `<|endoftext|>`: never matched in ordinary text. Spelt as plain text. */
  control: 3,
  /** Matched in the text before the byte pair encoding, such as Phi's runs of spaces. Plain text. */
  userDefined: 4,
  /** A row of the embedding that no text produces. */
  unused: 5,
  byte: 6,
} as const;

/**
 * A tokenizer as plain data: what every file format is read into, and exactly the arrays that a GGUF
 * file stores under `tokenizer.ggml.*`.
 */
export interface TokenizerData {
  /** By id. Ordinary tokens in GPT-2's byte alphabet, control and user-defined ones as plain text. */
  readonly tokens: readonly string[];
  /** By id, values of `TOKEN_TYPE`. Absent: told from the spelling. */
  readonly tokenTypes?: ArrayLike<number>;
  /** In order of rank. */
  readonly merges: readonly Merge[];
  /** GGUF's `tokenizer.ggml.model`; "gpt2" is the only one that philab reads. */
  readonly model?: string;
  /** GGUF's `tokenizer.ggml.pre`: the name of the rule that splits text into words. */
  readonly pre?: string;
  readonly bosTokenId?: number;
  readonly eosTokenId?: number;
  /** Whether prompts begin with the start token (`add_bos_token`); false when absent. */
  readonly addBosToken?: boolean;
}

/** GGUF names of GPT-2's splitting rule; llama.cpp takes all of them for the same. */
const GPT2_RULES: readonly string[] = ["gpt-2", "phi-2", "default"];

/**
 * Throws `unsupported` unless the names are those of byte-level BPE on GPT-2's words. A file that names no rule is taken
 * to mean it: older Phi files do.
 */
export function requireGpt2(
  { model = "gpt2", pre = "default" }: Pick<TokenizerData, "model" | "pre">,
  source: string,
): void {
  if (model !== "gpt2" || !GPT2_RULES.includes(pre))
    throw unsupportedTokenizer(source, `the tokenizer ${model} with the rule ${pre}`);
}

/**
 * The types of all tokens. Corrected where files of some programs are known to differ: start and end token are
 * control tokens, and `[PAD50295]` at the end of the list is padding, whatever a file calls them. Where a file has
 * no types, a token with a character outside the byte alphabet is a user-defined one.
 */
export function tokenTypesOf(data: TokenizerData, source: string): Uint8Array {
  const { tokens, tokenTypes } = data;
  if (tokenTypes !== undefined && tokenTypes.length !== tokens.length)
    throw corruptTokenizer(source, `${tokens.length} tokens, but ${tokenTypes.length} token types`);
  const types = new Uint8Array(tokens.length);
  for (let id = 0; id < types.length; id++) {
    const type = tokenTypes?.[id] ?? spellingType(tokens[id]!);
    if (!Number.isInteger(type) || type < 0 || type > TOKEN_TYPE.byte)
      throw corruptTokenizer(source, `token ${id} has the unknown type ${type}`);
    types[id] = type;
  }
  for (const id of [data.bosTokenId, data.eosTokenId])
    if (id !== undefined) types[id] = TOKEN_TYPE.control;
  for (let id = tokens.length - 1; id >= 0 && tokens[id] === `[PAD${id}]`; id--)
    types[id] = TOKEN_TYPE.unused;
  return types;
}

function spellingType(token: string): number {
  return unspell(token) ? TOKEN_TYPE.normal : TOKEN_TYPE.userDefined;
}

/** A `corrupt_file` error about a tokenizer. */
export function corruptTokenizer(source: string, found: string): LabError {
  return new LabError("corrupt_file", `${source}: ${found}`, {
    hint: "Copy or download the tokenizer's files again.",
  });
}

/** An `unsupported` error about a tokenizer. */
export function unsupportedTokenizer(source: string, found: string): LabError {
  return new LabError("unsupported", `${source}: ${found} is not supported`, {
    hint: "philab reads the byte-level BPE tokenizers of CodeGen, GPT-2 and Phi-1, Phi-1.5 and Phi-2; to run models, those of Llama-2 and Mistral too.",
  });
}
