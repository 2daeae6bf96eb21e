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
  ggufValue,
} from "../checkpoint/gguf-values.ts";
import type { GgufValue } from "../checkpoint/types.ts";
import { TOKEN_TYPE, tokenTypesOf, type TokenizerData } from "../tokenizer/data.ts";
import { readTokenizerData } from "../tokenizer/load.ts";
import { GGUF_ARCHITECTURE } from "./config-gguf.ts";
import type { PhiConfig } from "./config.ts";

type Metadata = ReadonlyMap<string, GgufValue>;

const key = (name: string) => `tokenizer.ggml.${name}`;
const CHAT_TEMPLATE = "tokenizer.chat_template";
const DEFAULT_TEMPLATE = "default";

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
  config: PhiConfig,
): Promise<Map<string, GgufValue>> {
  const metadata = new Map<string, GgufValue>();
  const setId = (name: string, id: number | undefined) => {
    if (id !== undefined) metadata.set(key(name), ggufValue.uint32(id));
  };
  const present = await Promise.all(VOCABULARY_FILES.map((name) => exists(join(directory, name))));
  if (!present.includes(true)) {
    metadata.set(`${GGUF_ARCHITECTURE}.vocab_size`, ggufValue.uint32(config.vocabSize));
    metadata.set(key("model"), ggufValue.string("no_vocab"));
    setId("bos_token_id", config.bosTokenId);
    setId("eos_token_id", config.eosTokenId);
    return metadata;
  }
  const data = await readTokenizerData(directory);
  const { unknown, templates } = await readSettings(directory);
  const { tokens, types } = padded(data, config.vocabSize, directory);
  const rule = data.pre ?? (hasPhiVocabulary(tokens) ? "phi-2" : "gpt-2");
  metadata.set(key("model"), ggufValue.string("gpt2"));
  metadata.set(key("pre"), ggufValue.string(rule));
  metadata.set(key("tokens"), ggufValue.strings(tokens));
  metadata.set(key("token_type"), ggufValue.int32s(types));
  metadata.set(key("merges"), ggufValue.strings(data.merges.map(mergeText)));
  setId("bos_token_id", data.bosTokenId ?? config.bosTokenId);
  setId("eos_token_id", data.eosTokenId ?? config.eosTokenId);
  if (unknown !== undefined && tokens.includes(unknown))
    setId("unknown_token_id", tokens.indexOf(unknown));
  metadata.set(key("add_bos_token"), ggufValue.bool(data.addBosToken ?? false));
  for (const { name, template } of templates)
    metadata.set(templateKey(name), ggufValue.string(template));
  return metadata;
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

interface ChatTemplate {
  name: string;
  template: string;
}

/** What tokenizer_config.json says beyond `readTokenizerData`; a chat template may also have a file of its own. */
async function readSettings(
  directory: string,
): Promise<{ unknown: string | undefined; templates: readonly ChatTemplate[] }> {
  const read = async (name: string) =>
    (await exists(join(directory, name))) ? readFile(join(directory, name), "utf8") : undefined;
  const json: unknown = JSON.parse((await read("tokenizer_config.json")) ?? "{}");
  const what = join(directory, "tokenizer_config.json");
  const config = checkObject(settings, json, { what, code: "corrupt_file" });
  const token = config.unk_token ?? undefined;
  const found = config.chat_template ?? (await read("chat_template.jinja")) ?? [];
  return {
    unknown: typeof token === "object" ? token.content : token,
    templates: typeof found === "string" ? [{ name: DEFAULT_TEMPLATE, template: found }] : found,
  };
}

/** The default template has the plain key, others their name behind it. */
function templateKey(name: string): string {
  return name === DEFAULT_TEMPLATE ? CHAT_TEMPLATE : `${CHAT_TEMPLATE}.${name}`;
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
  const templates = chatTemplates(metadata);
  return {
    tokenizer_class: "PreTrainedTokenizerFast",
    bos_token: token(bosTokenId),
    eos_token: token(eosTokenId),
    unk_token: token(ggufInteger(metadata, key("unknown_token_id"))),
    model_max_length: contextLength,
    clean_up_tokenization_spaces: false,
    add_bos_token: ggufBoolean(metadata, key("add_bos_token")) ?? false,
    ...(templates === undefined ? {} : { chat_template: templates }),
  };
}

/** As tokenizer_config.json has them: a text where there is only the default one, else a list. */
function chatTemplates(metadata: Metadata): string | ChatTemplate[] | undefined {
  const keys = [...metadata.keys()].filter((name) => name.startsWith(CHAT_TEMPLATE));
  const templates = keys.map((name) => ({
    name: name === CHAT_TEMPLATE ? DEFAULT_TEMPLATE : name.slice(CHAT_TEMPLATE.length + 1),
    template: ggufString(metadata, name) ?? "",
  }));
  const [first] = templates;
  if (first === undefined) return undefined;
  return templates.length === 1 && first.name === DEFAULT_TEMPLATE ? first.template : templates;
}
