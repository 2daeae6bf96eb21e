import { TOKEN_TYPE, tokenTypesOf, type TokenizerData } from "./data.ts";

export type TokenizerFiles = Record<"tokenizer.json" | "tokenizer_config.json", string>;

/**
 * The contents of the files that hold a tokenizer in a Hugging Face directory, for instance one that came out of a
 * GGUF file. `readTokenizerData` and Hugging Face's tokenizers read the same ids from them; padding is left out.
 */
export function tokenizerFiles(data: TokenizerData): TokenizerFiles {
  const types = tokenTypesOf(data, "the tokenizer");
  const byteLevel = {
    type: "ByteLevel",
    add_prefix_space: false,
    trim_offsets: true,
    use_regex: true,
  };
  const tokenizer = {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: addedTokens(data.tokens, types),
    normalizer: null,
    pre_tokenizer: byteLevel,
    post_processor: null,
    decoder: byteLevel,
    model: {
      type: "BPE",
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: false,
      byte_fallback: false,
      ignore_merges: false,
      vocab: vocabulary(data.tokens, types),
      merges: data.merges.map((merge) => (typeof merge === "string" ? merge : merge.join(" "))),
    },
  };
  const named = (id: number | undefined): string | null =>
    id === undefined ? null : data.tokens[id]!;
  const config = {
    tokenizer_class: "PreTrainedTokenizerFast",
    bos_token: named(data.bosTokenId),
    eos_token: named(data.eosTokenId),
    add_bos_token: data.addBosToken ?? false,
    clean_up_tokenization_spaces: false,
  };
  return {
    "tokenizer.json": JSON.stringify(tokenizer),
    "tokenizer_config.json": JSON.stringify(config, undefined, 2) + "\n",
  };
}

/** Token to id, up to the last ordinary token: Hugging Face numbers added tokens from there on. */
function vocabulary(tokens: readonly string[], types: Uint8Array): Record<string, number> {
  const end = types.lastIndexOf(TOKEN_TYPE.normal) + 1;
  return Object.fromEntries(tokens.slice(0, end).map((token, id) => [token, id]));
}

function addedTokens(tokens: readonly string[], types: Uint8Array): object[] {
  return tokens.flatMap((content, id) => {
    const special = types[id] === TOKEN_TYPE.control;
    if (!special && types[id] !== TOKEN_TYPE.userDefined) return [];
    const flags = { single_word: false, lstrip: false, rstrip: false };
    return [{ id, content, ...flags, normalized: !special, special }];
  });
}
