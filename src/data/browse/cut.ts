/** A score of a corpus: how it is spread, and what stays above a threshold. */
import type { CorpusIndex } from "./corpus-index.ts";
import { TOKENS } from "./corpus-index.ts";

export interface Amount {
  documents: number;
  textBytes: number;
  /** Undefined until they were counted. */
  tokens?: number;
}

export interface Histogram {
  score: string;
  /** Documents without the score are in none of the bins. */
  missing: number;
  low: number;
  high: number;
  /** Equally wide, from the lowest value to the highest; each holds its lower edge, the last both. */
  bins: (Amount & { from: number; to: number })[];
}

/** Throws `not_found` for a score that no document has. */
export function histogram(index: CorpusIndex, score: string, bins: number): Histogram {
  const column = index.column(score);
  const order = index.order(score);
  const low = column[order[0] ?? -1] ?? 0;
  const high = column[order.at(-1) ?? -1] ?? 0;
  const width = (high - low) / bins;
  const edge = (bin: number): number => (bin === bins ? high : low + bin * width);
  const rows: number[][] = Array.from({ length: width > 0 ? bins : 1 }, () => []);
  for (const row of order) {
    const at = width > 0 ? Math.floor(((column[row] ?? 0) - low) / width) : 0;
    rows[Math.min(rows.length - 1, at)]!.push(row);
  }
  return {
    ...{ score, low, high, missing: index.count - order.length },
    bins: rows.map((own, bin) => ({
      from: edge(bin),
      to: width > 0 ? edge(bin + 1) : high,
      ...amount(index, own),
    })),
  };
}

export interface Cut {
  threshold: number;
  /** Documents with the threshold or more, as `select` keeps them. */
  kept: Amount;
  /** Of all that have the score. */
  all: Amount;
  /** Rows just above, the lowest first, and just below, the highest first. */
  above: number[];
  below: number[];
}

/** @param samples - rows on each side at most */
export function cutAt(
  index: CorpusIndex,
  { score, threshold, samples }: { score: string; threshold: number; samples: number },
): Cut {
  const column = index.column(score);
  const order = index.order(score);
  let [first, last] = [0, order.length];
  while (first < last) {
    const middle = (first + last) >>> 1;
    if ((column[order[middle] ?? 0] ?? 0) < threshold) first = middle + 1;
    else last = middle;
  }
  return {
    threshold,
    kept: amount(index, order.subarray(first)),
    all: amount(index, order),
    above: [...order.subarray(first, first + samples)],
    below: [...order.subarray(Math.max(0, first - samples), first)].reverse(),
  };
}

/** How much some rows are. */
export function amount(index: CorpusIndex, rows: Iterable<number>): Amount {
  const tokens = index.scores.includes(TOKENS) ? index.column(TOKENS) : undefined;
  const sum = { documents: 0, textBytes: 0, tokens: 0 };
  for (const row of rows) {
    sum.documents++;
    sum.textBytes += index.textBytes[row] ?? 0;
    sum.tokens += tokens?.[row] ?? 0;
  }
  const { tokens: counted, ...plain } = sum;
  return tokens === undefined ? plain : { ...plain, tokens: counted };
}
