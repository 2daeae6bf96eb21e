/**
 * How alike two functions are: 1 - d / n, with d the edit distance of their syntax trees as sequences and n the longer one's
 * length: the "AST match rate" of the Phi-1 report (Gunasekar et al., arXiv 2306.11644, section 5.2). Of the sequences as
 * written and those with statements and operands in one order, the better rate counts.
 */
import type { Unit } from "./program.ts";

/** Buckets of a unit's token counts. */
const BUCKETS = 64;

/** A unit made ready for many comparisons. */
export interface Prepared {
  unit: Unit;
  counts: Uint16Array;
}

export function prepare(unit: Unit): Prepared {
  const counts = new Uint16Array(BUCKETS);
  for (const token of unit.sorted) {
    const bucket = token % BUCKETS;
    counts[bucket] = Math.min(0xffff, (counts[bucket] ?? 0) + 1);
  }
  return { unit, counts };
}

/** The match rate where it is at least `least`, else undefined. */
export function matchRate(a: Prepared, b: Prepared, least: number): number | undefined {
  const longer = Math.max(a.unit.sorted.length, b.unit.sorted.length);
  if (longer === 0) return undefined;
  const allowed = Math.floor((1 - least) * longer + 1e-9);
  if (Math.abs(a.unit.sorted.length - b.unit.sorted.length) > allowed) return undefined;
  // Tokens that only one of the two has cannot be paired, whatever their order.
  let shared = 0;
  for (let i = 0; i < BUCKETS; i++) shared += Math.min(a.counts[i] ?? 0, b.counts[i] ?? 0);
  if (longer - shared > allowed) return undefined;
  const distance = Math.min(
    boundedDistance(a.unit.written, b.unit.written, allowed),
    boundedDistance(a.unit.sorted, b.unit.sorted, allowed),
  );
  return distance > allowed ? undefined : 1 - distance / longer;
}

/** Levenshtein's distance, or something above `most` where it is larger: only a band of the table is filled. */
export function boundedDistance(a: Int32Array, b: Int32Array, most: number): number {
  const tooFar = most + 1;
  if (Math.abs(a.length - b.length) > most) return tooFar;
  let last = new Int32Array(b.length + 1).fill(tooFar);
  for (let j = 0; j <= Math.min(b.length, most); j++) last[j] = j;
  for (let i = 1; i <= a.length; i++) {
    const row = new Int32Array(b.length + 1).fill(tooFar);
    if (i <= most) row[0] = i;
    let best = row[0] ?? tooFar;
    for (let j = Math.max(1, i - most); j <= Math.min(b.length, i + most); j++) {
      const change = (last[j - 1] ?? tooFar) + (a[i - 1] === b[j - 1] ? 0 : 1);
      const value = Math.min(change, (last[j] ?? tooFar) + 1, (row[j - 1] ?? tooFar) + 1, tooFar);
      row[j] = value;
      if (value < best) best = value;
    }
    if (best > most) return tooFar;
    last = row;
  }
  return last[b.length] ?? tooFar;
}
