/** tokenizer.json, the one file of Hugging Face's tokenizers. */
import { unsupportedTokenizer } from "./data.ts";
import { describe, type JsonFile, type JsonObject } from "./json.ts";
import type { Merge } from "./merge-table.ts";
import type { VocabularyBuilder } from "./vocabulary.ts";

export interface TokenizerJson {
  merges: readonly Merge[];
  /** The start token, when the post-processor puts one before every text. */
  templateBos: string | undefined;
}

/**
 * Reads a tokenizer.json into `vocabulary`. `unsupported` for anything but byte-level BPE that would tokenise
 * otherwise than philab does. `truncation` and `padding` are settings of batches and do not concern us.
 */
export function readTokenizerJson(file: JsonFile, vocabulary: VocabularyBuilder): TokenizerJson {
  const { root, source } = file;
  if (root.normalizer !== undefined && root.normalizer !== null)
    throw unsupportedTokenizer(source, `normalizer ${describe(typeOf(file, root.normalizer))}`);
  checkByteLevel(file);

  const model = file.object(root.model, "model");
  checkModel(file, model);
  vocabulary.addVocabulary(file, file.object(model.vocab, "model.vocab"));
  for (const entry of file.array(root.added_tokens ?? [], "added_tokens")) {
    const token = file.object(entry, "an added token");
    vocabulary.addToken(file, token, token.id);
  }
  return {
    merges: file.array(model.merges, "model.merges") as readonly Merge[], // MergeTable checks each
    templateBos: readTemplate(file),
  };
}

function checkByteLevel(file: JsonFile): void {
  const { root, source } = file;
  const [preTokenizer, ...more] = stepsOf(file, root.pre_tokenizer, "pretokenizers");
  const type = preTokenizer === undefined ? "null" : typeOf(file, preTokenizer);
  if (preTokenizer === undefined || type !== "ByteLevel" || more.length > 0)
    throw unsupportedTokenizer(
      source,
      `pre-tokenizer ${[type, ...more.map((step) => typeOf(file, step))].map(describe).join(" + ")}`,
    );
  if (file.boolean(preTokenizer.add_prefix_space, "pre_tokenizer.add_prefix_space", true))
    throw unsupportedTokenizer(source, "a space put before every text (add_prefix_space)");
  if (!file.boolean(preTokenizer.use_regex, "pre_tokenizer.use_regex", true))
    throw unsupportedTokenizer(source, "byte-level BPE without word splitting (use_regex false)");
}

function checkModel(file: JsonFile, model: JsonObject): void {
  const { source } = file;
  if ((model.type ?? "BPE") !== "BPE")
    throw unsupportedTokenizer(source, `tokenizer model ${describe(model.type)}`);
  for (const option of ["dropout", "continuing_subword_prefix", "end_of_word_suffix"]) {
    const value = model[option] ?? "";
    if (value !== "" && value !== 0)
      throw unsupportedTokenizer(source, `model.${option} ${describe(value)}`);
  }
  for (const option of ["byte_fallback", "ignore_merges"])
    if (file.boolean(model[option], `model.${option}`, false))
      throw unsupportedTokenizer(source, `model.${option}`);
}

/** The start token that the post-processor adds; other additions are not supported. */
export function readTemplate(file: JsonFile): string | undefined {
  for (const step of stepsOf(file, file.root.post_processor, "processors")) {
    const type = typeOf(file, step);
    if (type === "ByteLevel") continue; // moves offsets only
    if (type !== "TemplateProcessing")
      throw unsupportedTokenizer(file.source, `post-processor ${describe(type)}`);

    const parts = file.array(step.single, "post_processor.single").map((part) => {
      const piece = file.object(part, "a part of the template");
      if (piece.Sequence !== undefined) return undefined;
      const special = file.object(piece.SpecialToken, "SpecialToken of the template");
      return file.string(special.id, "SpecialToken.id of the template");
    });
    const text = parts.indexOf(undefined);
    if (text < 0 || text > 1 || parts.length !== text + 1)
      throw unsupportedTokenizer(
        file.source,
        "a template that adds more than a start token before the text",
      );
    return parts[0];
  }
  return undefined;
}

/** The steps of a component that may be absent, one step, or a Sequence of steps. */
export function stepsOf(file: JsonFile, component: unknown, list: string): readonly JsonObject[] {
  if (component === undefined || component === null) return [];
  const step = file.object(component, list);
  if (step.type !== "Sequence") return [step];
  return file.array(step[list], list).map((inner) => file.object(inner, `a step of ${list}`));
}

export function typeOf(file: JsonFile, component: unknown): string {
  return file.string(file.object(component, "a component").type, "the type of a component");
}
