/** Looking at logits [V]: what is likeliest, and what they add up to. */
import { expOfNonPositive } from "../base/exp.ts";

type Logits = Float32Array | Float64Array;

/** Id of the largest of the first `count` logits; the lowest of equal ones. */
export function argmax(logits: Logits, count = logits.length): number {
  let best = 0;
  let max = -Infinity;
  for (let id = 0; id < count; id++) {
    const logit = logits[id]!;
    if (logit > max) {
      max = logit;
      best = id;
    }
  }
  return best;
}

/**
 * log Σ e^logit, without overflow. `max` is the largest logit, for callers that know it already.
 * NaN where any logit is NaN; infinite where the largest is.
 */
export function logSumExp(logits: Logits, max = logits[argmax(logits)]!): number {
  if (!Number.isFinite(max)) return logits.some(Number.isNaN) ? Number.NaN : max;
  let sum = 0;
  for (let id = 0; id < logits.length; id++) sum += expOfNonPositive(logits[id]! - max);
  return max + Math.log(sum);
}

/** Ids of the `n` largest of the first `count` logits, largest first, of equal ones the lowest id first. */
export function likeliest(logits: Logits, count: number, n: number): number[] {
  const ids: number[] = [];
  let least = -Infinity; // the smallest logit among `ids`, once there are n
  for (let id = 0; id < count && n > 0; id++) {
    const logit = logits[id]!;
    if (ids.length === n && !(logit > least)) continue;
    if (ids.length === n) ids.pop();
    let place = ids.length;
    while (place > 0 && logits[ids[place - 1]!]! < logit) place--;
    ids.splice(place, 0, id);
    least = logits[ids.at(-1)!]!;
  }
  return ids;
}
