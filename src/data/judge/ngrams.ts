/**
 * A fastText-style classifier: words and pairs of neighbours, hashed into a table of weights, and logistic regression on
 * their mean, learned one example at a time with a falling rate (Joulin et al. 2016, arXiv 1607.01759, without the hidden
 * layer, which a choice between two classes has no use for). Knows nothing but the annotated texts.
 */
import { Random } from "../../base/random.ts";

export interface NgramModel {
  /** A power of two of them. */
  readonly weights: Float32Array;
  readonly bias: number;
}

export interface NgramOptions {
  buckets?: number;
  epochs?: number;
  learningRate?: number;
  seed?: number;
}

/** Learns from words and pairs of neighbours whether a text is good (Joulin et al. 2016, arXiv 1607.01759). */
export function fitNgrams(
  texts: readonly string[],
  labels: readonly boolean[],
  { buckets = 2 ** 18, epochs = 25, learningRate = 2, seed = 0 }: NgramOptions = {},
): NgramModel {
  const weights = new Float32Array(buckets);
  let bias = 0;
  const features = texts.map((text) => hashedNgrams(text, buckets));
  const random = new Random(seed);
  const steps = epochs * texts.length;
  for (let epoch = 0, step = 0; epoch < epochs; epoch++)
    for (const i of random.permutation(texts.length)) {
      const rate = learningRate * (1 - step++ / steps);
      const grams = features[i]!;
      const score = sigmoid(bias + meanWeight(weights, grams));
      const error = (labels[i] === true ? 1 : 0) - score;
      bias += 0.1 * rate * error;
      // The gradient of a mean is 1/n; the square root keeps long texts from standing still.
      const share = (rate * error) / Math.sqrt(grams.length || 1);
      for (const gram of grams) weights[gram]! += share;
    }
  return { weights, bias };
}

/** The probability that a text is good. */
export function ngramScore({ weights, bias }: NgramModel, text: string): number {
  return sigmoid(bias + meanWeight(weights, hashedNgrams(text, weights.length)));
}

/** The bucket of each word and of each two neighbours. */
function hashedNgrams(text: string, buckets: number): Uint32Array {
  const words = text.slice(0, MAX_CHARACTERS).match(WORD) ?? [];
  const grams: number[] = [];
  let before = 0;
  for (const word of words) {
    const hash = fnv1a(word);
    grams.push(hash & (buckets - 1));
    if (before !== 0) grams.push(Math.imul(before ^ (hash >>> 3), 0x01000193) & (buckets - 1));
    before = hash;
  }
  return Uint32Array.from(grams);
}

/** Words, runs of digits, runs of spaces at the beginning of a line, single signs. */
const WORD = /[\p{L}_]+|\p{N}+|\n +|[^\s\p{L}\p{N}_]/gu;
const MAX_CHARACTERS = 20_000;

function fnv1a(word: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < word.length; i++) hash = Math.imul(hash ^ word.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}

function meanWeight(weights: Float32Array, grams: Uint32Array): number {
  let sum = 0;
  for (const gram of grams) sum += weights[gram]!;
  return sum / Math.sqrt(grams.length || 1);
}

function sigmoid(x: number): number {
  return 1 / (1 + Math.exp(-x));
}
