/** Where two texts have the same words in a row. */
import { wordHashes, wordRanges } from "../dedup/shingles.ts";

/** From a character to the one after the last. */
export type TextRange = readonly [from: number, to: number];

export interface SharedRuns {
  /** In the first text and in the second, in order, none touching another. */
  a: TextRange[];
  b: TextRange[];
}

/** @param n - least words of a run; of a shorter text all its words */
export function sharedRuns(a: string, b: string, n: number): SharedRuns {
  const [hashesA, hashesB] = [wordHashes(a), wordHashes(b)];
  const length = Math.min(n, hashesA.length, hashesB.length);
  if (length === 0) return { a: [], b: [] };
  const runsOf = (hashes: Uint32Array): Map<string, number[]> => {
    const runs = new Map<string, number[]>();
    for (let at = 0; at + length <= hashes.length; at++) {
      const key = hashes.subarray(at, at + length).join(" ");
      const places = runs.get(key);
      if (places === undefined) runs.set(key, [at]);
      else places.push(at);
    }
    return runs;
  };
  const [runsA, runsB] = [runsOf(hashesA), runsOf(hashesB)];
  const places = (own: Map<string, number[]>, other: Map<string, number[]>): number[] =>
    [...own].flatMap(([key, at]) => (other.has(key) ? at : [])).sort((x, y) => x - y);
  return {
    a: spans(places(runsA, runsB), length, wordRanges(a)),
    b: spans(places(runsB, runsA), length, wordRanges(b)),
  };
}

/** Runs that overlap or follow each other become one. */
function spans(
  starts: readonly number[],
  length: number,
  words: readonly TextRange[],
): TextRange[] {
  const merged: { first: number; last: number }[] = [];
  for (const first of starts) {
    const before = merged.at(-1);
    if (before !== undefined && first <= before.last + 1) before.last = first + length - 1;
    else merged.push({ first, last: first + length - 1 });
  }
  return merged.map(({ first, last }) => [words[first]?.[0] ?? 0, words[last]?.[1] ?? 0]);
}
