/** Texts as points: what a Phi's last layer makes of their tokens, on average, and how much that changes along the text. */
import { throwIfInterrupted } from "../../base/atomic.ts";
import { LabError } from "../../base/errors.ts";
import type { LanguageModel } from "../../generate/language-model.ts";

export interface EmbedOptions {
  /** Tokens of a text's beginning that are read. */
  maxTokens?: number;
  /** Whether standard deviations follow the means: they tell a text that stays the same throughout. Default false. */
  deviations?: boolean;
  signal?: AbortSignal | undefined;
  onProgress?: ((done: number) => void) | undefined;
}

const EMBED_TOKENS = 128;
/** Of a token, in any text that is worth reading. */
const MAX_CHARACTERS = 64;

/**
 * `[D]` of each text: the mean over its tokens of the normalised stream that the head reads (`ln_final.hook_normalized`);
 * `[2D]` with standard deviations. Each text is computed alone: a batch would save nothing, and might round otherwise.
 *
 * @throws LabError `bad_input` for a text that is empty; what `LanguageModel.run` throws
 */
export async function embed(
  model: LanguageModel,
  texts: readonly string[],
  { maxTokens = EMBED_TOKENS, deviations = false, signal, onProgress }: EmbedOptions = {},
): Promise<Float32Array[]> {
  const kept = Math.min(maxTokens, model.contextLength);
  const found: Float32Array[] = [];
  for (const [i, text] of texts.entries()) {
    throwIfInterrupted(signal);
    if (text === "") throw new LabError("bad_input", `text ${i + 1} is empty: nothing to embed`);
    // What lies far beyond the tokens that are kept need not be cut into any.
    const ids = model.promptIds(text.slice(0, kept * MAX_CHARACTERS)).slice(0, kept);
    const run = await model.run(ids, {
      capture: ["ln_final.hook_normalized"],
      ...(signal === undefined ? {} : { signal }),
    });
    const { values } = run.get("ln_final.hook_normalized"); // [1, T, D]
    const moments = momentsOf(values, model.config.width);
    found.push(deviations ? moments : moments.slice(0, model.config.width));
    onProgress?.(found.length);
  }
  return found;
}

/** Means of columns `[T, width]`, then their standard deviations. */
function momentsOf(values: Float32Array, width: number): Float32Array {
  const rows = values.length / width;
  const moments = new Float64Array(2 * width);
  for (let i = 0; i < values.length; i++) moments[i % width]! += values[i]! / rows;
  for (let i = 0; i < values.length; i++)
    moments[width + (i % width)]! += (values[i]! - moments[i % width]!) ** 2 / rows;
  return Float32Array.from(moments, (value, d) => (d < width ? value : Math.sqrt(value)));
}
