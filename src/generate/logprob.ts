/** Log-probabilities from logits, in double precision. */

/** log Σ exp(x), without overflow; NaN where any logit is NaN. */
export function logSumExp(logits: Float32Array): number {
  let max = -Infinity;
  for (const x of logits) if (x > max) max = x;
  if (max === Infinity || max === -Infinity) return max;
  let sum = 0;
  for (const x of logits) sum += Math.exp(x - max);
  return max + Math.log(sum);
}

/** Id of the largest logit; the lowest of equal ones. */
export function argmax(logits: Float32Array, limit = logits.length): number {
  let best = 0;
  let max = -Infinity;
  for (let i = 0; i < limit; i++) {
    const x = logits[i] as number;
    if (x > max) {
      max = x;
      best = i;
    }
  }
  return best;
}
