import { corruptTokenizer, type TokenizerData } from "./data.ts";
import { describe } from "./json.ts";
import { ByteLevelTokenizer, type Tokenizer } from "./tokenizer.ts";

const SOURCE = "the tokenizer of the GGUF file";

/**
 * Opens the tokenizer of a GGUF file from the values of its `tokenizer.ggml.*` keys. The values may be passed on
 * unread: `corrupt_file` when one is not what its type promises.
 */
export function tokenizerFromGguf(data: TokenizerData): Tokenizer {
  const { tokens, tokenTypes, merges, addBosToken }: Record<keyof TokenizerData, unknown> = {
    tokenTypes: undefined,
    model: undefined,
    pre: undefined,
    bosTokenId: undefined,
    eosTokenId: undefined,
    addBosToken: undefined,
    ...data,
  };
  if (!Array.isArray(tokens)) throw wrong("tokens", tokens, "a list of texts");
  const odd = tokens.findIndex((token) => typeof token !== "string");
  if (odd >= 0) throw wrong(`token ${odd}`, tokens[odd], "a text");
  if (tokenTypes !== undefined && !Array.isArray(tokenTypes) && !ArrayBuffer.isView(tokenTypes))
    throw wrong("token_type", tokenTypes, "a list of numbers");
  if (!Array.isArray(merges)) throw wrong("merges", merges, "a list of texts");
  if (addBosToken !== undefined && typeof addBosToken !== "boolean")
    throw wrong("add_bos_token", addBosToken, "true or false");
  return new ByteLevelTokenizer(data, SOURCE);
}

function wrong(field: string, value: unknown, expected: string): Error {
  return corruptTokenizer(SOURCE, `${field} is ${describe(value)}, not ${expected}`);
}
