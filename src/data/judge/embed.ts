/** Texts as points: the mean of what a Phi's last layer makes of their tokens, which a classifier then looks at. */
import { throwIfInterrupted } from "../../base/atomic.ts";
import { LabError } from "../../base/errors.ts";
import type { LanguageModel } from "../../generate/language-model.ts";

export interface EmbedOptions {
  /** Tokens of a text's beginning that are read. */
  maxTokens?: number;
  /** Texts computed together. */
  batchSize?: number;
  signal?: AbortSignal | undefined;
  onProgress?: ((done: number) => void) | undefined;
}

const DEFAULT_EMBED_TOKENS = 128;
/** Of a token, in any text that is worth reading. */
const MAX_CHARACTERS = 64;

/**
 * `[D]` of each text: the mean over its tokens of the normalised stream that the head reads (`ln_final.hook_normalized`).
 * The same text gives the same values in whatever company.
 *
 * @throws LabError `bad_input` for an empty text; what `LanguageModel.run` throws
 */
export async function embed(
  model: LanguageModel,
  texts: readonly string[],
  { maxTokens = DEFAULT_EMBED_TOKENS, batchSize = 16, signal, onProgress }: EmbedOptions = {},
): Promise<Float32Array[]> {
  const kept = Math.min(maxTokens, model.contextLength);
  // What lies far beyond the tokens that are kept need not be cut into any.
  const ids = texts.map((text, i) => {
    if (text === "") throw new LabError("bad_input", `text ${i + 1} is empty: nothing to embed`);
    return model.promptIds(text.slice(0, kept * MAX_CHARACTERS)).slice(0, kept);
  });
  // Texts of one length are computed together: a mean over padding would be another.
  const byLength = new Map<number, number[]>();
  ids.forEach(({ length }, i) => byLength.set(length, [...(byLength.get(length) ?? []), i]));
  const found = new Array<Float32Array>(texts.length);
  let done = 0;
  for (const group of byLength.values())
    for (let start = 0; start < group.length; start += batchSize) {
      throwIfInterrupted(signal);
      const batch = group.slice(start, start + batchSize);
      const run = await model.run(
        batch.map((i) => ids[i]!),
        {
          capture: [{ at: "ln_final.hook_normalized", reduce: "mean", as: "mean" }],
          ...(signal === undefined ? {} : { signal }),
        },
      ); // [B, D]
      const { values } = run.get("mean");
      const width = model.config.width;
      batch.forEach((i, b) => (found[i] = values.slice(b * width, (b + 1) * width)));
      onProgress?.((done += batch.length));
    }
  return found;
}
