import { expOfNonPositive } from "../base/exp.ts";
import type { Random } from "../base/random.ts";
import { borderOf } from "./border.ts";

/** Tokens and their probabilities, which add up to 1. */
export interface Distribution {
  ids: number[];
  probabilities: number[];
}

/**
 * The tokens that may still be drawn, in order of their ids, with their probabilities up to a common factor.
 * Each step narrows the distribution that the step before has left, as Hugging Face's warpers do, and finds the
 * border of what stays by partial selection: the vocabulary is never sorted.
 */
export class Candidates {
  /** The most tokens that there can be: V. */
  readonly capacity: number;
  #count = 0;
  readonly #ids: Uint32Array;
  /** Logit over temperature, less the largest: at most 0. */
  readonly #scores: Float64Array;
  /** e^score. */
  readonly #weights: Float64Array;
  /** Sum of the weights. */
  #total = 0;
  /** Two rooms for work. */
  readonly #keys: Float64Array;
  readonly #order: Uint32Array;

  constructor(capacity: number) {
    this.capacity = capacity;
    this.#ids = new Uint32Array(capacity);
    this.#scores = new Float64Array(capacity);
    this.#weights = new Float64Array(capacity);
    this.#keys = new Float64Array(capacity);
    this.#order = new Uint32Array(capacity);
  }

  /**
   * Takes the first `capacity` tokens, and of them the `topK` likeliest (all when it is 0; of equally likely ones the
   * lowest ids). `best` is the likeliest, its logit finite.
   */
  fill(
    logits: Float32Array | Float64Array,
    { best, temperature, topK }: { best: number; temperature: number; topK: number },
  ): void {
    const count = this.capacity;
    const ids = this.#ids;
    const scores = this.#scores;
    const max = logits[best]!;
    const scale = 1 / temperature;
    for (let id = 0; id < count; id++) {
      const below = logits[id]! - max;
      ids[id] = id;
      scores[id] = below === 0 ? 0 : below * scale;
    }
    this.#count = count;
    if (topK > 0 && topK < count) {
      this.#weights.fill(1);
      this.#keepBest(scores, topK);
    }
    this.#weigh();
  }

  /**
   * Locally typical sampling (Meister et al. 2023): keeps the tokens whose surprise is nearest the entropy, until
   * they hold `share` of the probability.
   */
  keepTypical(share: number): void {
    const count = this.#count;
    const scores = this.#scores;
    const weights = this.#weights;
    const keys = this.#keys;
    const logTotal = Math.log(this.#total);
    let entropy = logTotal;
    for (let i = 0; i < count; i++)
      if (weights[i]! > 0) entropy -= (weights[i]! / this.#total) * scores[i]!;
    for (let i = 0; i < count; i++) keys[i] = -Math.abs(logTotal - scores[i]! - entropy);
    this.#keepBest(keys, share * this.#total);
  }

  /** Nucleus sampling (Holtzman et al. 2020): keeps the likeliest tokens, until they hold `share` of the probability. */
  keepTopP(share: number): void {
    this.#keepBest(this.#scores, share * this.#total);
  }

  /** Min-p (Nguyen et al. 2024): keeps tokens with at least `share` of the likeliest one's probability. */
  keepMinP(share: number): void {
    const count = this.#count;
    const weights = this.#weights;
    let max = 0;
    for (let i = 0; i < count; i++) if (weights[i]! > max) max = weights[i]!;
    this.#keepFrom(weights, share * max, Infinity);
  }

  /** A token, drawn in proportion to what has been kept; uses one number of `random`. */
  draw(random: Random): number {
    return this.#ids[random.weightedIndex(this.#weights.subarray(0, this.#count))]!;
  }

  /** What has been kept, and how likely each token is now. */
  distribution(): Distribution {
    const weights = this.#weights.subarray(0, this.#count);
    return {
      ids: Array.from(this.#ids.subarray(0, this.#count)),
      probabilities: Array.from(weights, (weight) => weight / this.#total),
    };
  }

  #weigh(): void {
    const count = this.#count;
    const scores = this.#scores;
    const weights = this.#weights;
    let total = 0;
    for (let i = 0; i < count; i++) {
      const weight = expOfNonPositive(scores[i]!);
      weights[i] = weight;
      total += weight;
    }
    this.#total = total;
  }

  /** Keeps candidates from the largest key down until their weights add up to `target`. */
  #keepBest(keys: Float64Array, target: number): void {
    const count = this.#count;
    const border = borderOf(keys.subarray(0, count), this.#weights, target, this.#order);
    this.#keepFrom(keys, keys[border]!, border);
  }

  /** Keeps candidates with a key above `least`, and those with that very key up to place `last`. */
  #keepFrom(keys: Float64Array, least: number, last: number): void {
    const count = this.#count;
    const ids = this.#ids;
    const scores = this.#scores;
    const weights = this.#weights;
    let kept = 0;
    let total = 0;
    for (let i = 0; i < count; i++) {
      const key = keys[i]!;
      if (key < least || (key === least && i > last)) continue;
      ids[kept] = ids[i]!;
      scores[kept] = scores[i]!;
      weights[kept++] = weights[i]!;
      total += weights[i]!;
    }
    this.#count = kept;
    this.#total = total;
  }
}
