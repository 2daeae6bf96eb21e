import { corruptTokenizer, TOKEN_TYPE, tokenTypesOf, type TokenizerData } from "./data.ts";
import { describe } from "./json.ts";
import type { Merge } from "./merge-table.ts";

/** What the files hold, by name, to be written as JSON. */
export type TokenizerFiles = Record<
  "tokenizer.json" | "tokenizer_config.json",
  Readonly<Record<string, unknown>>
>;

/**
 * The contents of the files that hold a tokenizer in a Hugging Face directory, for instance one that came out of a
 * GGUF file. `readTokenizerData` and Hugging Face's tokenizers read the same ids from them; padding is left out.
 *
 * @throws LabError `corrupt_file` for data that such files cannot hold
 */
export function tokenizerFiles(
  data: TokenizerData,
  {
    source = "the tokenizer",
    settings = {},
  }: {
    /** What the data was read from, for errors. */
    source?: string;
    /** Fields of tokenizer_config.json besides the tokenizer's own. */
    settings?: Readonly<Record<string, unknown>>;
  } = {},
): TokenizerFiles {
  const named = (id: number | undefined): string | null => {
    if (id === undefined) return null;
    const token = data.tokens[id];
    if (token !== undefined) return token;
    throw corruptTokenizer(source, `it names token ${id} and has ${data.tokens.length}`);
  };
  return {
    "tokenizer.json": tokenizerJson(data, source),
    "tokenizer_config.json": {
      tokenizer_class: "PreTrainedTokenizerFast",
      bos_token: named(data.bosTokenId),
      eos_token: named(data.eosTokenId),
      add_bos_token: data.addBosToken ?? false,
      clean_up_tokenization_spaces: false,
      ...settings,
    },
  };
}

/** As in the files of Phi and its family. */
function tokenizerJson(data: TokenizerData, source: string): Readonly<Record<string, unknown>> {
  if (new Set(data.tokens).size < data.tokens.length)
    throw corruptTokenizer(source, "two tokens are spelt alike");
  const types = tokenTypesOf(data, source);
  const byteLevel = { type: "ByteLevel", trim_offsets: true, use_regex: true };
  return {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: addedTokens(data.tokens, types),
    normalizer: null,
    pre_tokenizer: { ...byteLevel, add_prefix_space: false },
    // Neither adds a space: these two settings concern offsets, and are those of CodeGen's file.
    post_processor: { ...byteLevel, add_prefix_space: true },
    decoder: { ...byteLevel, add_prefix_space: true },
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
      merges: data.merges.map((merge) => pairOf(merge, source)),
    },
  };
}

/**
 * Token to id. Added tokens that lie among the ordinary ones stay in the vocabulary, since loaders number the others
 * from its end; so does `<|endoftext|>`, as in every tokenizer.json of this family.
 */
function vocabulary(tokens: readonly string[], types: Uint8Array): Record<string, number> {
  const lastNormal = types.lastIndexOf(TOKEN_TYPE.normal);
  const isListed = (id: number): boolean =>
    types[id] !== TOKEN_TYPE.unused && (types[id] !== TOKEN_TYPE.userDefined || id < lastNormal);
  return Object.fromEntries(
    [...tokens.entries()].filter(([id]) => isListed(id)).map(([id, token]) => [token, id]),
  );
}

function addedTokens(tokens: readonly string[], types: Uint8Array): object[] {
  return tokens.flatMap((content, id) => {
    const special = types[id] === TOKEN_TYPE.control;
    if (!special && types[id] !== TOKEN_TYPE.userDefined) return [];
    const flags = { single_word: false, lstrip: false, rstrip: false };
    return [{ id, content, ...flags, normalized: !special, special }];
  });
}

function pairOf(merge: Merge, source: string): readonly [string, string] {
  if (typeof merge !== "string") return merge;
  const [left, right, ...more] = merge.split(" ");
  if (left === undefined || right === undefined || more.length > 0)
    throw corruptTokenizer(source, `the merge ${describe(merge)} is no pair of tokens`);
  return [left, right];
}
