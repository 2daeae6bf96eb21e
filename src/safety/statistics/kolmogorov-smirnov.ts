/** Whether two samples come from one distribution: the two-sided test of Kolmogorov and Smirnov, exact. */
import { LabError } from "../../base/errors.ts";

export interface KolmogorovSmirnov {
  /** The largest distance between the two empirical distributions. */
  statistic: number;
  pValue: number;
}

/**
 * The statistic, and the share of all orders of the values in which it is at least as large: `scipy.stats.ks_2samp` with its
 * defaults, for samples of up to 10,000 values. Small p-values are sums of positive terms, so none is lost to rounding.
 *
 * @throws LabError `bad_input` for an empty sample and for what is no number
 */
export function kolmogorovSmirnov(
  first: readonly number[],
  second: readonly number[],
): KolmogorovSmirnov {
  if (first.length === 0 || second.length === 0)
    throw new LabError("bad_input", "two samples are compared; one is empty");
  if ([...first, ...second].some(Number.isNaN))
    throw new LabError("bad_input", "samples are compared by their numbers; there is a NaN");
  const [n, m] = [first.length, second.length];
  const [a, b] = [[...first].sort((x, y) => x - y), [...second].sort((x, y) => x - y)];
  // In whole numbers: the distance times n·m.
  let distance = 0;
  for (let i = 0, j = 0; i < n && j < m;) {
    const value = Math.min(a[i] as number, b[j] as number);
    while (i < n && a[i] === value) i++;
    while (j < m && b[j] === value) j++;
    distance = Math.max(distance, Math.abs(i * m - j * n));
  }
  return { statistic: distance / (n * m), pValue: reachedShare(distance, n, m) };
}

/**
 * Of all orders of n + m values, the share in which |i·m − j·n| reaches `distance` for some i values of the first and j of
 * the second seen: orders are walked value by value, each next one being of the first sample with its share of what is left.
 */
function reachedShare(distance: number, n: number, m: number): number {
  if (distance === 0) return 1;
  let reached = 0;
  /** The share of orders that came to (i, j) without reaching it; a row for each i. */
  let row = new Float64Array(m + 1);
  row[0] = 1;
  for (let i = 0; i <= n; i++) {
    const next = new Float64Array(m + 1);
    for (let j = 0; j <= m; j++) {
      const share = row[j] as number;
      if (share === 0) continue;
      if (Math.abs(i * m - j * n) >= distance) {
        reached += share;
        continue;
      }
      const left = n - i + m - j;
      if (left === 0) continue;
      next[j] = share * ((n - i) / left);
      if (j < m) row[j + 1] = (row[j + 1] as number) + share * ((m - j) / left);
    }
    row = next;
  }
  return Math.min(1, reached);
}
