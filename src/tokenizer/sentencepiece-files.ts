/** SentencePiece's byte pair encoding in the files that hold it: Hugging Face's tokenizer.json, and GGUF's metadata. */
import { corruptTokenizer, TOKEN_TYPE, unsupportedTokenizer } from "./data.ts";
import { describe, type JsonFile, type JsonObject } from "./json.ts";
import type { Merge } from "./merge-table.ts";
import {
  byteOf,
  mergesByScore,
  SentencePieceTokenizer,
  type Prefix,
  type SentencePieceData,
} from "./sentencepiece.ts";
import { readTemplate, stepsOf, typeOf } from "./tokenizer-json.ts";
import { VocabularyBuilder } from "./vocabulary.ts";

/** Whether a tokenizer.json is of this kind: characters without a token become bytes. */
export function isSentencePiece({ root }: JsonFile): boolean {
  const model = root.model as JsonObject | null | undefined;
  return model?.type === "BPE" && model.byte_fallback === true;
}

/**
 * @param bosToken - the start token that tokenizer_config.json names
 * @param addBosToken - whether it says that prompts begin with it; by default what the file's template does
 */
export function sentencePieceFromJson(
  file: JsonFile,
  {
    bosToken,
    eosToken,
    addBosToken,
  }: {
    bosToken: string | undefined;
    eosToken: string | undefined;
    addBosToken: boolean | undefined;
  },
): SentencePieceTokenizer {
  const { source, root } = file;
  const model = file.object(root.model, "model");
  if (file.boolean(model.ignore_merges, "model.ignore_merges", false))
    throw unsupportedTokenizer(source, "model.ignore_merges");
  const vocabulary = new VocabularyBuilder(source);
  vocabulary.addVocabulary(file, file.object(model.vocab, "model.vocab"));
  for (const entry of file.array(root.added_tokens ?? [], "added_tokens")) {
    const token = file.object(entry, "an added token");
    vocabulary.addToken(file, token, token.id);
  }
  const templateBos = readTemplate(file);
  const start = templateBos ?? bosToken;
  const bosTokenId = start === undefined ? undefined : vocabulary.markSpecial(start);
  const eosTokenId = eosToken === undefined ? undefined : vocabulary.markSpecial(eosToken);
  const { tokens, tokenTypes } = vocabulary.finish();
  return new SentencePieceTokenizer(
    {
      tokens,
      tokenTypes: tokenTypes.map((type, id) =>
        type === TOKEN_TYPE.normal && byteOf(tokens[id]!) !== undefined ? TOKEN_TYPE.byte : type,
      ),
      merges: file.array(model.merges, "model.merges") as readonly Merge[], // MergeTable checks each
      bosTokenId,
      eosTokenId,
      addBosToken: addBosToken ?? templateBos !== undefined,
      prefix: prefixOf(file),
    },
    source,
  );
}

/**
 * What is done to a text before: a space in front, and ▁ for every space. Older files say so by a normaliser, today's by the
 * splitting rule "Metaspace".
 */
function prefixOf(file: JsonFile): Prefix {
  const { source, root } = file;
  const normalizers = stepsOf(file, root.normalizer, "normalizers");
  const [splitter, ...more] = stepsOf(file, root.pre_tokenizer, "pretokenizers");
  const refuse = (what: string): Error => unsupportedTokenizer(source, what);
  if (splitter === undefined) {
    const names = normalizers.map((step) => typeOf(file, step));
    const [first, second = first] = normalizers;
    const isReplace =
      second !== undefined &&
      second.content === "▁" &&
      (second.pattern as JsonObject | undefined)?.String === " ";
    if (names.join() === "Replace" && isReplace) return "none";
    if (names.join() === "Prepend,Replace" && isReplace && first?.prepend === "▁") return "always";
    throw refuse(`normalizer ${describe(names.join(" + "))}`);
  }
  if (normalizers.length > 0)
    throw refuse(`normalizer ${describe(typeOf(file, normalizers[0]))} before Metaspace`);
  const isWhole =
    more.length === 0 &&
    typeOf(file, splitter) === "Metaspace" &&
    splitter.replacement === "▁" &&
    splitter.split === false;
  if (!isWhole) throw refuse(`pre-tokenizer ${describe(typeOf(file, splitter))} that splits words`);
  const scheme = splitter.prepend_scheme;
  if (scheme === "always") return "missing";
  if (scheme === "first") return "missing at start";
  if (scheme === "never") return "none";
  throw corruptTokenizer(source, `prepend_scheme is ${describe(scheme)}`);
}

/** From GGUF's arrays, which have scores instead of merges. */
export function sentencePieceFromScores(
  data: Omit<SentencePieceData, "merges"> & { scores: ArrayLike<number> },
  source: string,
): SentencePieceTokenizer {
  const { tokens, tokenTypes, scores } = data;
  if (scores.length !== tokens.length)
    throw corruptTokenizer(source, `${tokens.length} tokens, but ${scores.length} scores`);
  const ids = new Map(
    [...tokens.entries()]
      .filter(([id]) => tokenTypes[id] === TOKEN_TYPE.normal)
      .map(([id, token]) => [token, id] as const),
  );
  return new SentencePieceTokenizer({ ...data, merges: mergesByScore(ids, scores) }, source);
}
