/** Logits for tests of sampling, and the softmax that they stand for. */
import fc from "fast-check";

/** Softmax in double precision; entries of -Infinity are 0. */
export function softmax(scores: readonly number[]): number[] {
  const max = Math.max(...scores);
  const weights = scores.map((score) => Math.exp(score - max));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  return weights.map((weight) => weight / total);
}

/** Multiples of 1/1024: equal, or so far apart that rounding does not change their order. */
const upTo = (max: number): fc.Arbitrary<number> =>
  fc.integer({ min: -max * 1024, max: max * 1024 }).map((n) => n / 1024);
const logit = fc.oneof(
  { weight: 5, arbitrary: upTo(20) },
  { weight: 1, arbitrary: upTo(1).map(Math.round) },
  { weight: 1, arbitrary: upTo(2000).map((x) => -Math.abs(x)) },
);
/** Logits of 1 to 80 tokens. */
export const logits = fc
  .array(logit, { minLength: 1, maxLength: 80 })
  .map((list) => Float32Array.from(list));
