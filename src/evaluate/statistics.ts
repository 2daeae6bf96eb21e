/** How sure a score is, and whether two runs differ. */
import { Random } from "../base/random.ts";
import type { Aggregation } from "./task.ts";

export type Interval = readonly [low: number, high: number];

export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** Standard error of a mean, from the sample's variance (n − 1). */
export function standardError(values: readonly number[]): number {
  const centre = mean(values);
  const squares = values.reduce((sum, value) => sum + (value - centre) ** 2, 0);
  return Math.sqrt(squares / (values.length - 1) / values.length);
}

/** The numbers of all items as one. */
export function aggregate(kind: Aggregation, rows: readonly (readonly number[])[]): number {
  switch (kind) {
    case "mean":
      return mean(rows.map(([value = NaN]) => value));
    case "weighted_perplexity":
      return Math.exp(-perUnit(rows));
    case "bits_per_byte":
      return -perUnit(rows) / Math.LN2;
    case "squad_best":
      return bestByThreshold(rows);
  }
}

/** Σ log-likelihood / Σ words or bytes */
function perUnit(rows: readonly (readonly number[])[]): number {
  const sum = (at: 0 | 1): number => rows.reduce((total, row) => total + (row[at] ?? NaN), 0);
  return sum(0) / sum(1);
}

/**
 * The best score in percent that some threshold of the probability of no answer gives, as in SQuAD 2.0's script.
 * Rows are score, probability of no answer, whether there is an answer, whether one was given.
 */
function bestByThreshold(rows: readonly (readonly number[])[]): number {
  const unanswerable = rows.filter(([, , has]) => has === 0).length;
  let current = unanswerable;
  let best = current;
  const sorted = [...rows].sort(([, a = 0], [, b = 0]) => a - b);
  for (const [score = 0, , has, given] of sorted) {
    current += has === 1 ? score : given === 1 ? -1 : 0;
    best = Math.max(best, current);
  }
  return (100 * best) / rows.length;
}

/** Resamples of a bootstrap. */
const RESAMPLES = 1000;

/** The middle 95 % of what resampling the items with replacement gives (percentile bootstrap, Efron 1979). */
export function bootstrapInterval(
  rows: readonly (readonly number[])[],
  kind: Aggregation,
  { seed = 0 }: { seed?: number } = {},
): Interval {
  const random = new Random(seed);
  const found = Array.from({ length: RESAMPLES }, () =>
    aggregate(
      kind,
      Array.from(rows, () => rows[random.integer(rows.length)] as readonly number[]),
    ),
  );
  return middle(found);
}

function middle(values: number[]): Interval {
  values.sort((a, b) => a - b);
  const at = (share: number): number =>
    values[Math.min(values.length - 1, Math.floor(share * values.length))] as number;
  return [at(0.025), at(0.975)];
}

export interface Comparison {
  /** Items that both runs have. */
  items: number;
  /** Mean of second less first. */
  difference: number;
  /** 95 % of the difference, by resampling pairs. */
  interval: Interval;
  /**
   * Chance of a difference at least this large, were the two alike: the sign of each item's difference is drawn at random
   * (paired permutation test, 10,000 draws).
   */
  pValue: number;
}

const DRAWS = 10_000;

/** Two runs over the same items, in the same order. */
export function comparePaired(
  first: readonly number[],
  second: readonly number[],
  { seed = 0 }: { seed?: number } = {},
): Comparison {
  const differences = first.map((value, i) => (second[i] as number) - value);
  const difference = mean(differences);
  const interval = bootstrapInterval(
    differences.map((value) => [value]),
    "mean",
    { seed },
  );
  const moved = differences.filter((value) => value !== 0);
  const observed = Math.abs(difference * differences.length) - 1e-9;
  const random = new Random(seed);
  let asLarge = 0;
  for (let draw = 0; draw < DRAWS; draw++) {
    let sum = 0;
    for (let i = 0, word = 0; i < moved.length; i++) {
      if (i % 32 === 0) word = random.uint32();
      sum += (word >>> (i % 32)) & 1 ? (moved[i] as number) : -(moved[i] as number);
    }
    if (Math.abs(sum) >= observed) asLarge++;
  }
  const pValue = (asLarge + 1) / (DRAWS + 1);
  return { items: first.length, difference, interval, pValue: Math.min(1, pValue) };
}

/** Standard error of a mean over tasks, weighted by their items: the pooled variance, as lm-evaluation-harness has it. */
export function pooledError(errors: readonly number[], sizes: readonly number[]): number {
  const total = sizes.reduce((sum, size) => sum + size, 0);
  const squares = errors.reduce((sum, error, i) => {
    const size = sizes[i] as number;
    return sum + (size - 1) * error ** 2 * size;
  }, 0);
  return Math.sqrt(squares / (total - sizes.length) / total);
}

/** Standard error of a mean over tasks that count alike. */
export function unweightedError(errors: readonly number[]): number {
  return Math.sqrt(errors.reduce((sum, error) => sum + error ** 2, 0)) / errors.length;
}
