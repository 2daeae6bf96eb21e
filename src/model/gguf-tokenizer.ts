/** A tokenizer from Hugging Face's files into GGUF metadata and back, as llama.cpp's converter does it. */
import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { LabError } from "../base/errors.ts";
import { checkObject } from "../base/schema.ts";
import { corrupt } from "../checkpoint/corrupt.ts";
import {
  ggufBoolean,
  ggufInteger,
  ggufIntegers,
  ggufString,
  ggufStrings,
} from "../checkpoint/gguf-values.ts";
import type { GgufValue } from "../checkpoint/types.ts";
import { TOKEN_TYPE, tokenTypesOf, type TokenizerData } from "../tokenizer/data.ts";
import { readTokenizerData } from "../tokenizer/load.ts";
import type { PhiConfig } from "./config.ts";

type Metadata = ReadonlyMap<string, GgufValue>;

const key = (name: string) => `tokenizer.ggml.${name}`;
const CHAT_TEMPLATE = "tokenizer.chat_template";

/** Names of the rule by which GPT-2 and Phi split text into words; llama.cpp takes all of them for the same. */
const GPT2_RULES = ["gpt-2", "phi-2", "default"];

const settings = z.object({
  unk_token: z.union([z.string(), z.object({ content: z.string() })]).nullish(),
  chat_template: z
    .union([z.string(), z.array(z.object({ name: z.string(), template: z.string() }))])
    .nullish(),
});

/** Files that hold a tokenizer; a model may come without. */
const VOCABULARY_FILES = ["tokenizer.json", "vocab.json"];

/**
 * The `tokenizer.*` metadata for the tokenizer in `directory`, padded to the rows of the embedding. A directory without
 * a tokenizer gives what llama.cpp needs to load a model that takes ids only.
 */
export async function tokenizerToGguf(
  directory: string,
  { vocabSize, bosTokenId, eosTokenId }: PhiConfig,
): Promise<Map<string, GgufValue>> {
  const present = await Promise.all(VOCABULARY_FILES.map((name) => exists(join(directory, name))));
  const text = (value: string): GgufValue => ({ type: "string", value });
  const uint32 = (value: number): GgufValue => ({ type: "uint32", value });
  const ids = (data: { bosTokenId?: number; eosTokenId?: number }): [string, GgufValue][] => {
    const [bos, eos] = [data.bosTokenId ?? bosTokenId, data.eosTokenId ?? eosTokenId];
    return [
      ...(bos === undefined ? [] : [[key("bos_token_id"), uint32(bos)] as [string, GgufValue]]),
      ...(eos === undefined ? [] : [[key("eos_token_id"), uint32(eos)] as [string, GgufValue]]),
    ];
  };
  if (!present.includes(true))
    return new Map([
      ["phi2.vocab_size", uint32(vocabSize)],
      [key("model"), text("no_vocab")],
      ...ids({}),
    ]);
  const data = await readTokenizerData(directory);
  const { tokens, types } = padded(data, vocabSize, directory);
  const config = await readSettings(directory);
  const unknown = tokens.indexOf(
    typeof config.unk_token === "object"
      ? (config.unk_token?.content ?? "")
      : (config.unk_token ?? ""),
  );
  return new Map<string, GgufValue>([
    [key("model"), text("gpt2")],
    [key("pre"), text(data.pre ?? (hasPhiVocabulary(tokens) ? "phi-2" : "gpt-2"))],
    [key("tokens"), { type: "array", items: "string", value: tokens }],
    [key("token_type"), { type: "array", items: "int32", value: types }],
    [key("merges"), { type: "array", items: "string", value: data.merges.map(mergeText) }],
    ...ids(data),
    ...(unknown < 0 ? [] : [[key("unknown_token_id"), uint32(unknown)] as const]),
    [key("add_bos_token"), { type: "bool", value: data.addBosToken ?? false }],
    ...chatTemplates(config.chat_template),
  ]);
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

async function readSettings(directory: string): Promise<z.output<typeof settings>> {
  const read = async (name: string) =>
    (await exists(join(directory, name))) ? readFile(join(directory, name), "utf8") : undefined;
  const json: unknown = JSON.parse((await read("tokenizer_config.json")) ?? "{}");
  const what = join(directory, "tokenizer_config.json");
  const config = checkObject(settings, json, { what, code: "corrupt_file" });
  const template = config.chat_template ?? (await read("chat_template.jinja"));
  return { ...config, chat_template: template };
}

/** Rows of the embedding that no token has are named as llama.cpp's converter names them. */
function padded(
  data: TokenizerData,
  vocabSize: number,
  directory: string,
): { tokens: string[]; types: Int32Array } {
  const count = data.tokens.length;
  if (count > vocabSize)
    throw new LabError(
      "corrupt_file",
      `${directory}: the tokenizer has ${count} tokens, the model only ${vocabSize}`,
      { hint: "The tokenizer belongs to another model." },
    );
  const types = new Int32Array(vocabSize).fill(TOKEN_TYPE.unused);
  types.set(tokenTypesOf(data, directory));
  const tokens = Array.from({ length: vocabSize }, (_, id) => data.tokens[id] ?? `[PAD${id}]`);
  return { tokens, types };
}

/** Phi's own vocabulary is CodeGen's: runs of 31 to 2 spaces follow `<|endoftext|>`, then runs of 9 to 2 tabs. */
function hasPhiVocabulary(tokens: readonly string[]): boolean {
  return tokens[50_257] === " ".repeat(31) && tokens[50_294] === "\t\t";
}

function mergeText(merge: string | readonly [string, string]): string {
  return typeof merge === "string" ? merge : merge.join(" ");
}

function chatTemplates(
  template: z.output<typeof settings>["chat_template"],
): [string, GgufValue][] {
  if (template === undefined || template === null) return [];
  if (typeof template === "string") return [[CHAT_TEMPLATE, { type: "string", value: template }]];
  return template.map(({ name, template: value }) => [
    name === "default" ? CHAT_TEMPLATE : `${CHAT_TEMPLATE}.${name}`,
    { type: "string", value },
  ]);
}

/**
 * `tokenizer.json` and `tokenizer_config.json` for the tokenizer in `metadata`, by file name; none for a file without.
 *
 * @throws LabError `unsupported` for tokenizers that are not GPT-2's kind
 */
export function tokenizerFilesFromGguf(
  metadata: Metadata,
  { path, contextLength }: { path: string; contextLength: number },
): Map<string, unknown> {
  const model = ggufString(metadata, key("model")) ?? "no_vocab";
  const rule = ggufString(metadata, key("pre")) ?? "default";
  if (model === "no_vocab" || model === "none") return new Map();
  if (model !== "gpt2" || !GPT2_RULES.includes(rule))
    throw new LabError("unsupported", `${path} has the tokenizer ${model} with the rule ${rule}`, {
      hint: "Phi's tokenizer is gpt2 with the rule gpt-2.",
    });
  const data = dataFromGguf(metadata, path);
  const types = tokenTypesOf(data, path);
  return new Map([
    ["tokenizer.json", tokenizerJson(data, types)],
    ["tokenizer_config.json", tokenizerConfig(data, metadata, contextLength)],
  ]);
}

function dataFromGguf(metadata: Metadata, path: string): TokenizerData {
  const tokens = ggufStrings(metadata, key("tokens"));
  const merges = ggufStrings(metadata, key("merges"));
  if (tokens === undefined || merges === undefined)
    throw corrupt(path, `the metadata has no ${key(tokens === undefined ? "tokens" : "merges")}`);
  if (new Set(tokens).size < tokens.length) throw corrupt(path, "two tokens are spelt alike");
  const tokenTypes = ggufIntegers(metadata, key("token_type"));
  const bosTokenId = ggufInteger(metadata, key("bos_token_id"));
  const eosTokenId = ggufInteger(metadata, key("eos_token_id"));
  return {
    tokens,
    merges: merges.map((merge) => mergePair(merge, path)),
    ...(tokenTypes === undefined ? {} : { tokenTypes }),
    ...(bosTokenId === undefined ? {} : { bosTokenId }),
    ...(eosTokenId === undefined ? {} : { eosTokenId }),
  };
}

function mergePair(merge: string, path: string): [string, string] {
  const [left, right, ...more] = merge.split(" ");
  if (left === undefined || right === undefined || more.length > 0)
    throw corrupt(path, `the merge "${merge}" is no pair of tokens`);
  return [left, right];
}

/**
 * Added tokens that lie among the ordinary ones stay in the vocabulary, since loaders number the others from its end;
 * so does `<|endoftext|>`, as in every tokenizer.json of this family.
 */
function tokenizerJson({ tokens, merges }: TokenizerData, types: Uint8Array): unknown {
  const lastNormal = types.lastIndexOf(TOKEN_TYPE.normal);
  const byteLevel = { type: "ByteLevel", trim_offsets: true, use_regex: true };
  const isAdded = (id: number) =>
    types[id] === TOKEN_TYPE.control || types[id] === TOKEN_TYPE.userDefined;
  const entries = [...tokens.entries()].filter(([id]) => types[id] !== TOKEN_TYPE.unused);
  return {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: entries
      .filter(([id]) => isAdded(id))
      .map(([id, content]) => {
        const special = types[id] === TOKEN_TYPE.control;
        const flags = { single_word: false, lstrip: false, rstrip: false };
        return { id, content, ...flags, normalized: !special, special };
      }),
    normalizer: null,
    pre_tokenizer: { ...byteLevel, add_prefix_space: false },
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
      vocab: Object.fromEntries(
        entries
          .filter(([id]) => id < lastNormal || types[id] !== TOKEN_TYPE.userDefined)
          .map(([id, token]) => [token, id]),
      ),
      merges,
    },
  };
}

function tokenizerConfig(
  { tokens, bosTokenId, eosTokenId }: TokenizerData,
  metadata: Metadata,
  contextLength: number,
): unknown {
  const token = (id: number | undefined) => (id === undefined ? null : (tokens[id] ?? null));
  const template = ggufString(metadata, CHAT_TEMPLATE);
  return {
    tokenizer_class: "PreTrainedTokenizerFast",
    bos_token: token(bosTokenId),
    eos_token: token(eosTokenId),
    unk_token: token(ggufInteger(metadata, key("unknown_token_id"))),
    model_max_length: contextLength,
    clean_up_tokenization_spaces: false,
    add_bos_token: ggufBoolean(metadata, key("add_bos_token")) ?? false,
    ...(template === undefined ? {} : { chat_template: template }),
  };
}
