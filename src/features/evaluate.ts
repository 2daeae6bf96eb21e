/**
 * How well a dictionary stands for a hook, under SAELens' names:
 *
 *   ce_loss_score = (CE of zero ablation − CE with the dictionary) / (CE of zero ablation − CE of the model)
 *   explained_variance = 1 − Σ‖y − ŷ‖² / Σ‖y − mean y‖²
 *
 * Beside it stands a principal component analysis of as many components as latents fire, on the same rows: what a dense code
 * of that size explains.
 */
import { LabError } from "../base/errors.ts";
import type { LanguageModel } from "../generate/language-model.ts";
import { matrix } from "../interpret/linear/matrix.ts";
import { svd } from "../interpret/linear/decompose.ts";
import { assertFits } from "./dictionary.ts";
import { EncodePass } from "./encode-pass.ts";
import { LoadedDictionary } from "./record.ts";
import type { Dictionary } from "./dictionary.ts";
import { splice } from "./splice.ts";

export interface DictionaryMetrics {
  ce_loss_score: number;
  ce_loss_without_sae: number;
  ce_loss_with_sae: number;
  ce_loss_with_ablation: number;
  explained_variance: number;
  mse: number;
  cossim: number;
  l2_ratio: number;
  l0: number;
  l1: number;
  frac_alive: number;
  /** What a PCA of round(l0) components explains; NaN for a hook that is wider than 1024. */
  pca_explained_variance: number;
  /** Tokens that all this was measured on. */
  tokens: number;
}

/** Rows that are encoded together. */
const BLOCK_ROWS = 256;

/** Principal components of wider rows take minutes. */
const MAX_PRINCIPAL_WIDTH = 1024;

/**
 * @param sequences - ids of texts, two tokens or more each
 * @throws LabError `bad_input` for a dictionary of another model, and for texts that are too short
 */
export async function evaluateDictionary(
  model: LanguageModel,
  dictionary: Dictionary,
  sequences: readonly (readonly number[])[],
  {
    signal,
    onProgress,
  }: { signal?: AbortSignal; onProgress?: (done: number, total: number) => void } = {},
): Promise<DictionaryMetrics & { featureDensity: Float64Array }> {
  assertFits(dictionary, model.config);
  if (sequences.length === 0 || sequences.some((ids) => ids.length < 2))
    throw new LabError("bad_input", "a dictionary is measured on texts of two tokens or more");
  using loaded = new LoadedDictionary(dictionary, model.backend);
  using pass = new EncodePass(model, loaded, { rows: BLOCK_ROWS });
  const rows = new RowSums(dictionary);
  const losses = { without: 0, with: 0, ablated: 0 };
  const { input, output } = dictionary;
  const spliced = splice(loaded, model.config);
  const whole = [{ at: output, reduce: "norm", as: "whole block" }] as const;
  const tokens = sequences.reduce((sum, ids) => sum + ids.length, 0);
  for (const [i, ids] of sequences.entries()) {
    signal?.throwIfAborted();
    const common = {
      metric: { kind: "loss" },
      ...(signal === undefined ? {} : { signal }),
    } as const;
    const hooks = input === output ? [input] : [input, output];
    const clean = await model.run([...ids], { ...common, capture: hooks });
    const after = await model.run([...ids], { ...common, ...spliced });
    const edits = [{ op: "zero", at: output }] as const;
    const none = await model.run([...ids], { ...common, edits, capture: whole });
    const share = ids.length / tokens;
    losses.without += share * (clean.metric[0] as number);
    losses.with += share * (after.metric[0] as number);
    losses.ablated += share * (none.metric[0] as number);
    const wanted = clean.get(output).values;
    let done = 0;
    for await (const { count, latents, reconstruction } of pass.encode(clean.get(input).values)) {
      const width = dictionary.sizes.output;
      rows.add(wanted.subarray(done * width, (done + count) * width), { latents, reconstruction });
      done += count;
    }
    onProgress?.(i + 1, sequences.length);
  }
  const { without, with: within, ablated } = losses;
  return {
    ce_loss_score: (ablated - within) / (ablated - without),
    ce_loss_without_sae: without,
    ce_loss_with_sae: within,
    ce_loss_with_ablation: ablated,
    ...rows.metrics(),
  };
}

/** Sums over rows, in 64 bits. */
class RowSums {
  readonly #dictionary: Dictionary;
  readonly #fired: Float64Array;
  readonly #mean: Float64Array;
  /** Σ y·yᵀ, `[O, O]` */
  readonly #products: Float64Array;
  #count = 0;
  #errors = 0;
  #l1 = 0;
  #cosines = 0;
  #ratios = 0;

  constructor(dictionary: Dictionary) {
    const { latents, output } = dictionary.sizes;
    this.#dictionary = dictionary;
    this.#fired = new Float64Array(latents);
    this.#mean = new Float64Array(output);
    this.#products = new Float64Array(output * output);
  }

  add(
    wanted: Float32Array,
    { latents, reconstruction }: { latents: Float32Array; reconstruction: Float32Array },
  ): void {
    const { latents: features, output } = this.#dictionary.sizes;
    const count = wanted.length / output;
    this.#count += count;
    for (let i = 0; i < latents.length; i++) {
      const value = latents[i] as number;
      if (value <= 0) continue;
      this.#fired[i % features] = (this.#fired[i % features] as number) + 1;
      this.#l1 += value;
    }
    for (let r = 0; r < count; r++) {
      let [dot, own, other] = [0, 0, 0];
      for (let a = 0; a < output; a++) {
        const y = wanted[r * output + a] as number;
        const guess = reconstruction[r * output + a] as number;
        this.#errors += (y - guess) ** 2;
        this.#mean[a] = (this.#mean[a] as number) + y;
        [dot, own, other] = [dot + y * guess, own + y * y, other + guess * guess];
        // Without principal components the diagonal is enough: the whole variance.
        for (let b = output > MAX_PRINCIPAL_WIDTH ? a : 0; b <= a; b++)
          this.#products[a * output + b] =
            (this.#products[a * output + b] as number) + y * (wanted[r * output + b] as number);
      }
      this.#cosines += other === 0 ? 0 : dot / Math.sqrt(own * other);
      this.#ratios += Math.sqrt(other / own);
    }
  }

  metrics(): Omit<DictionaryMetrics, `ce_loss_${string}`> & { featureDensity: Float64Array } {
    const count = this.#count;
    const { output } = this.#dictionary.sizes;
    const l0 = this.#fired.reduce((sum, fired) => sum + fired, 0) / count;
    let total = 0;
    for (let a = 0; a < output; a++) total += this.#covariance(a, a);
    return {
      explained_variance: 1 - this.#errors / count / total,
      mse: this.#errors / count,
      cossim: this.#cosines / count,
      l2_ratio: this.#ratios / count,
      l0,
      l1: this.#l1 / count,
      frac_alive: this.#fired.reduce((n, fired) => n + (fired > 0 ? 1 : 0), 0) / this.#fired.length,
      pca_explained_variance: this.#principal(Math.round(l0)) / total,
      tokens: count,
      featureDensity: this.#fired.map((fired) => fired / count),
    };
  }

  /** The variance along the `count` largest principal components of what is written. */
  #principal(count: number): number {
    const { output } = this.#dictionary.sizes;
    if (output > MAX_PRINCIPAL_WIDTH) return NaN;
    const covariance = matrix(output, output);
    for (let a = 0; a < output; a++)
      for (let b = 0; b <= a; b++) {
        const value = this.#covariance(a, b);
        covariance.data[a * output + b] = value;
        covariance.data[b * output + a] = value;
      }
    return svd(covariance)
      .s.slice(0, count)
      .reduce((sum, variance) => sum + variance, 0);
  }

  /** Of two values of a row, the second not after the first. */
  #covariance(a: number, b: number): number {
    const means = (this.#mean[a] as number) * (this.#mean[b] as number);
    const { output } = this.#dictionary.sizes;
    return (this.#products[a * output + b] as number) / this.#count - means / this.#count ** 2;
  }
}
