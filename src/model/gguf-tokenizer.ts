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
import type { GgufCheckpoint, GgufValue } from "../checkpoint/types.ts";
import { requireGpt2, TOKEN_TYPE, tokenTypesOf, type TokenizerData } from "../tokenizer/data.ts";
import { readTokenizerData } from "../tokenizer/load.ts";
import { tokenizerFiles } from "../tokenizer/write.ts";
import { GGUF_ARCHITECTURE } from "./config-gguf.ts";
import type { PhiConfig } from "./config.ts";

type Metadata = ReadonlyMap<string, GgufValue>;
type GgufSource = Pick<GgufCheckpoint, "path" | "metadata">;

const key = (name: string) => `tokenizer.ggml.${name}`;
const CHAT_TEMPLATE = "tokenizer.chat_template";
const DEFAULT_TEMPLATE = "default";

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
 * The tokenizer in the metadata of a GGUF file; undefined for a file without.
 *
 * @throws LabError `unsupported` for tokenizers that are not GPT-2's kind, `corrupt_file` for metadata that is incomplete
 *   or of the wrong type
 */
export function tokenizerDataFromGguf({ path, metadata }: GgufSource): TokenizerData | undefined {
  const model = ggufString(metadata, key("model"));
  const pre = ggufString(metadata, key("pre"));
  const tokens = ggufStrings(metadata, key("tokens"));
  if (model === "no_vocab" || model === "none") return undefined;
  if (model === undefined && tokens === undefined) return undefined;
  const names = {
    ...(model === undefined ? {} : { model }),
    ...(pre === undefined ? {} : { pre }),
  };
  requireGpt2(names, path);
  const merges = ggufStrings(metadata, key("merges"));
  if (tokens === undefined || merges === undefined)
    throw corrupt(path, `the metadata has no ${key(tokens === undefined ? "tokens" : "merges")}`);
  const tokenTypes = ggufIntegers(metadata, key("token_type"));
  const bosTokenId = ggufInteger(metadata, key("bos_token_id"));
  const eosTokenId = ggufInteger(metadata, key("eos_token_id"));
  const addBosToken = ggufBoolean(metadata, key("add_bos_token"));
  return {
    ...names,
    tokens,
    merges,
    ...(tokenTypes === undefined ? {} : { tokenTypes }),
    ...(bosTokenId === undefined ? {} : { bosTokenId }),
    ...(eosTokenId === undefined ? {} : { eosTokenId }),
    ...(addBosToken === undefined ? {} : { addBosToken }),
  };
}

/**
 * `tokenizer.json` and `tokenizer_config.json` for the tokenizer in `metadata`, by file name; none for a file without.
 *
 * @throws LabError what `tokenizerDataFromGguf` and `tokenizerFiles` throw
 */
export function tokenizerFilesFromGguf(
  metadata: Metadata,
  { path, contextLength }: { path: string; contextLength: number },
): Map<string, unknown> {
  const data = tokenizerDataFromGguf({ path, metadata });
  if (data === undefined) return new Map();
  const unknownId = ggufInteger(metadata, key("unknown_token_id"));
  const templates = chatTemplates(metadata);
  const settings = {
    unk_token: unknownId === undefined ? null : (data.tokens[unknownId] ?? null),
    model_max_length: contextLength,
    ...(templates === undefined ? {} : { chat_template: templates }),
  };
  return new Map(Object.entries(tokenizerFiles(data, { source: path, settings })));
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
