/** Means and intervals of cells: several seeds over the same groups of items. */
import { Random } from "philab/data";

/** One run: of each group (a composition, a piece of a text) a sum and what it is a sum over. */
export interface Sums {
  readonly total: readonly number[];
  readonly count: readonly number[];
}

export interface Estimate {
  mean: number;
  /** 95 %. */
  low: number;
  high: number;
}

const DRAWS = 2000;

/** Σ total / Σ count over all runs. */
export function estimate(runs: readonly Sums[], seed = 0): Estimate {
  return bootstrap(runs.length, groupsOf(runs), seed, (seeds, groups) =>
    ratio(runs, seeds, groups),
  );
}

/** Second less first: run by run and group by group the same items. */
export function difference(first: readonly Sums[], second: readonly Sums[], seed = 0): Estimate {
  const runs = Math.min(first.length, second.length);
  return bootstrap(runs, groupsOf(first), seed, (seeds, groups) => {
    return ratio(second, seeds, groups) - ratio(first, seeds, groups);
  });
}

function ratio(runs: readonly Sums[], seeds: ArrayLike<number>, groups: ArrayLike<number>): number {
  let [total, count] = [0, 0];
  for (let s = 0; s < seeds.length; s++) {
    const run = runs[seeds[s]!]!;
    for (let g = 0; g < groups.length; g++) {
      total += run.total[groups[g]!]!;
      count += run.count[groups[g]!]!;
    }
  }
  return total / count;
}

/** Percentiles of draws of groups and of seeds, each with replacement. */
function bootstrap(
  runs: number,
  groups: number,
  seed: number,
  of: (seeds: ArrayLike<number>, groups: ArrayLike<number>) => number,
): Estimate {
  const random = new Random(seed);
  const draw = (size: number): Uint32Array =>
    Uint32Array.from({ length: size }, () => random.integer(size));
  const found = Float64Array.from({ length: DRAWS }, () => of(draw(runs), draw(groups))).sort();
  const all = (size: number): Uint32Array => Uint32Array.from({ length: size }, (_, i) => i);
  return {
    mean: of(all(runs), all(groups)),
    low: found[Math.floor(0.025 * DRAWS)]!,
    high: found[Math.ceil(0.975 * DRAWS) - 1]!,
  };
}

function groupsOf(runs: readonly Sums[]): number {
  return runs[0]?.total.length ?? 0;
}

/** Adds up the values of items that share a group, in the order in which groups first occur. */
export function groupSums(
  groups: readonly string[],
  items: readonly { total: number; count: number }[],
): Sums {
  const indices = new Map<string, number>();
  for (const group of groups) if (!indices.has(group)) indices.set(group, indices.size);
  const total = new Array<number>(indices.size).fill(0);
  const count = new Array<number>(indices.size).fill(0);
  items.forEach((item, i) => {
    const at = indices.get(groups[i]!)!;
    total[at]! += item.total;
    count[at]! += item.count;
  });
  return { total, count };
}
