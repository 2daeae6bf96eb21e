/** Texts as points: the mean of what a Phi's last layer makes of their tokens, which a classifier then looks at. */
import { throwIfInterrupted } from "../../base/atomic.ts";
import { LabError } from "../../base/errors.ts";
import type { LanguageModel } from "../../generate/language-model.ts";

export interface EmbedOptions {
  /** Tokens of a text's beginning that are read. */
  maxTokens?: number;
  signal?: AbortSignal | undefined;
  onProgress?: ((done: number) => void) | undefined;
}

export const EMBED_TOKENS = 128;
/** Of a token, in any text that is worth reading. */
const MAX_CHARACTERS = 64;

/**
 * `[D]` of each text: the mean over its tokens of the normalised stream that the head reads (`ln_final.hook_normalized`).
 * Each is computed alone: a batch would save nothing, and might round otherwise.
 *
 * @throws LabError `bad_input` for a text that is empty; what `LanguageModel.run` throws
 */
export async function embed(
  model: LanguageModel,
  texts: readonly string[],
  { maxTokens = EMBED_TOKENS, signal, onProgress }: EmbedOptions = {},
): Promise<Float32Array[]> {
  const kept = Math.min(maxTokens, model.contextLength);
  const found: Float32Array[] = [];
  for (const [i, text] of texts.entries()) {
    throwIfInterrupted(signal);
    if (text === "") throw new LabError("bad_input", `text ${i + 1} is empty: nothing to embed`);
    // What lies far beyond the tokens that are kept need not be cut into any.
    const ids = model.promptIds(text.slice(0, kept * MAX_CHARACTERS)).slice(0, kept);
    const run = await model.run(ids, {
      capture: [{ at: "ln_final.hook_normalized", reduce: "mean", as: "mean" }],
      ...(signal === undefined ? {} : { signal }),
    });
    found.push(run.get("mean").values); // [D]
    onProgress?.(found.length);
  }
  return found;
}
