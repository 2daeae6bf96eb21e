/** Whether values of one sample tend to be larger than those of another (Mann and Whitney 1947), as scipy computes it. */
import { LabError } from "../../base/errors.ts";
import { normalTail } from "./normal.ts";

export interface MannWhitney {
  /** Pairs in which the first sample's value is the larger one; equal ones count half. */
  u: number;
  /** Two-sided. */
  pValue: number;
}

/** Up to this many values on a side, and without equal ones, the p-value is counted, not approximated. */
const EXACT_SIZE = 8;

/**
 * The U of `first` and its two-sided p-value: exact where a sample is small and no values are equal, else by the normal
 * approximation with corrections for ties and continuity. This is `scipy.stats.mannwhitneyu` with its defaults.
 *
 * @throws LabError `bad_input` for an empty sample and for what is no number
 */
export function mannWhitney(first: readonly number[], second: readonly number[]): MannWhitney {
  if (first.length === 0 || second.length === 0)
    throw new LabError("bad_input", "a rank test needs values on both sides");
  if ([...first, ...second].some(Number.isNaN))
    throw new LabError("bad_input", "a rank test needs numbers; there is a NaN");
  const [n, m] = [first.length, second.length];
  const { rankSum, ties } = rank(first, second);
  const u = rankSum - (n * (n + 1)) / 2;
  const larger = Math.max(u, n * m - u);
  const exact = Math.min(n, m) <= EXACT_SIZE && ties === 0;
  const tail = exact ? exactTail(larger, n, m) : approximateTail(larger, { n, m, ties });
  return { u, pValue: Math.min(1, 2 * tail) };
}

/** The sum of the first sample's ranks, equal values sharing theirs, and Σ t³ − t over groups of t equal values. */
function rank(
  first: readonly number[],
  second: readonly number[],
): { rankSum: number; ties: number } {
  const all = [
    ...first.map((value) => ({ value, isFirst: true })),
    ...second.map((value) => ({ value, isFirst: false })),
  ].sort((a, b) => a.value - b.value);
  let [rankSum, ties] = [0, 0];
  for (let start = 0, end; start < all.length; start = end) {
    let own = 0;
    for (end = start; end < all.length && all[end]?.value === all[start]?.value; end++)
      if (all[end]?.isFirst === true) own++;
    const size = end - start;
    rankSum += own * (start + (size + 1) / 2);
    ties += size ** 3 - size;
  }
  return { rankSum, ties };
}

function approximateTail(
  u: number,
  { n, m, ties }: { n: number; m: number; ties: number },
): number {
  const total = n + m;
  const variance = ((n * m) / 12) * (total + 1 - ties / (total * (total - 1)));
  const distance = u - (n * m) / 2 - 0.5; // continuity
  return normalTail(
    variance === 0 ? (distance > 0 ? Infinity : -Infinity) : distance / Math.sqrt(variance),
  );
}

/** P(U ≥ u): of all ways to choose n of n + m ranks, those whose sum is large enough. */
function exactTail(u: number, n: number, m: number): number {
  // ways[k][s]: subsets of k of the ranks seen so far with U = s (Mann and Whitney's recurrence).
  const size = n * m + 1;
  const ways = Array.from({ length: n + 1 }, () => new Float64Array(size));
  (ways[0] as Float64Array)[0] = 1;
  for (let seen = 0; seen < n + m; seen++)
    for (let k = Math.min(n, seen + 1); k >= 1; k--) {
      // The rank after `seen` others, as the k-th chosen, is above seen − (k − 1) of those not chosen.
      const above = seen - (k - 1);
      if (above > m) continue;
      const [to, from] = [ways[k] as Float64Array, ways[k - 1] as Float64Array];
      for (let s = above; s < size; s++) to[s] = (to[s] as number) + (from[s - above] as number);
    }
  const counts = ways[n] as Float64Array;
  const total = counts.reduce((sum, count) => sum + count, 0);
  return counts.slice(Math.ceil(u)).reduce((sum, count) => sum + count, 0) / total;
}
