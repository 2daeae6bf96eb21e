import { corruptTokenizer, type TokenizerData } from "./data.ts";
import { readJson } from "./files.ts";
import { describe, type JsonFile } from "./json.ts";
import { ByteLevelTokenizer, type Tokenizer } from "./tokenizer.ts";
import { isSentencePiece, sentencePieceFromJson } from "./sentencepiece-files.ts";
import { readTokenizerJson } from "./tokenizer-json.ts";
import { readVocabAndMerges } from "./vocab-merges.ts";
import { VocabularyBuilder } from "./vocabulary.ts";

/** Start and end token where no file names them: the default of transformers' CodeGenTokenizer. */
const CODEGEN_SPECIAL_TOKEN = "<|endoftext|>";

/**
 * Opens the tokenizer of a Hugging Face model directory: tokenizer.json, or vocab.json and merges.txt with
 * added_tokens.json; besides them tokenizer_config.json and special_tokens_map.json, where they are.
 * `not_found`, `corrupt_file` or `unsupported` when it cannot.
 */
export async function loadTokenizer(directory: string): Promise<Tokenizer> {
  const files = await readFiles(directory);
  const { tokenizerJson, config, special } = files;
  if (tokenizerJson === undefined || !isSentencePiece(tokenizerJson))
    return new ByteLevelTokenizer(await dataOf(files, directory), directory);
  return sentencePieceFromJson(tokenizerJson, {
    bosToken: special("bos_token"),
    eosToken: special("eos_token"),
    addBosToken: addsBosToken(config),
  });
}

/** A directory's tokenizer as data, in the form of GGUF's arrays: byte-level BPE alone. */
export async function readTokenizerData(directory: string): Promise<TokenizerData> {
  return dataOf(await readFiles(directory), directory);
}

interface TokenizerFiles {
  tokenizerJson: JsonFile | undefined;
  config: JsonFile | undefined;
  /** What a special token is, by the first file that says so. */
  special: (name: string) => string | undefined;
}

async function readFiles(directory: string): Promise<TokenizerFiles> {
  const [tokenizerJson, config, specialTokensMap] = await Promise.all(
    ["tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"].map((name) =>
      readJson(directory, name),
    ),
  );
  const settings = [config, specialTokensMap].filter((file) => file !== undefined);
  const special = (name: string): string | undefined =>
    settings.map((file) => namedToken(file, name)).find((content) => content !== undefined);
  return { tokenizerJson, config, special };
}

async function dataOf(
  { tokenizerJson, config, special: specialToken }: TokenizerFiles,
  directory: string,
): Promise<TokenizerData> {
  const vocabulary = new VocabularyBuilder(directory);
  const { merges, templateBos } = tokenizerJson
    ? readTokenizerJson(tokenizerJson, vocabulary)
    : { merges: await readVocabAndMerges(directory, vocabulary), templateBos: undefined };
  if (config) addTokensOfConfig(config, vocabulary);

  const specialId = (content: string | undefined): number | undefined => {
    const id = vocabulary.markSpecial(content ?? CODEGEN_SPECIAL_TOKEN);
    if (id === undefined && content !== undefined)
      throw corruptTokenizer(
        directory,
        `the special token ${describe(content)} is not in the vocabulary`,
      );
    return id;
  };

  const bosTokenId = specialId(templateBos ?? specialToken("bos_token"));
  const eosTokenId = specialId(specialToken("eos_token"));
  for (const name of ["unk_token", "pad_token"]) {
    const content = specialToken(name);
    if (content !== undefined) vocabulary.markSpecial(content); // one outside the vocabulary is never needed
  }
  return {
    ...vocabulary.finish(),
    merges,
    model: "gpt2",
    ...(bosTokenId === undefined ? {} : { bosTokenId }),
    ...(eosTokenId === undefined ? {} : { eosTokenId }),
    addBosToken: addsBosToken(config) ?? templateBos !== undefined,
  };
}

function addTokensOfConfig(config: JsonFile, vocabulary: VocabularyBuilder): void {
  const field = "added_tokens_decoder";
  for (const [key, entry] of Object.entries(config.object(config.root[field] ?? {}, field))) {
    const id = /^\d+$/.test(key) ? Number(key) : key; // the vocabulary refuses what is no number
    vocabulary.addToken(config, config.object(entry, `${field}.${key}`), id);
  }
}

function addsBosToken(config: JsonFile | undefined): boolean | undefined {
  const value = config?.root.add_bos_token ?? undefined;
  return value === undefined ? undefined : config!.boolean(value, "add_bos_token", false);
}

/** A special token's content: files have it as a text or as an object with `content`. */
function namedToken(file: JsonFile, name: string): string | undefined {
  const value = file.root[name] ?? undefined;
  if (value === undefined || typeof value === "string") return value;
  return file.string(file.object(value, name).content, `${name}.content`);
}
