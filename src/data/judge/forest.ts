/**
 * A random forest for two classes (Breiman 2001, "Random Forests"): trees of CART splits by Gini impurity, each grown to
 * purity on a bootstrap sample, looking at √D features at each node. What phi-1 judged educational value with, on the
 * embeddings of a language model (Gunasekar et al. 2023, §2.1; its settings are not published, these are scikit-learn's).
 */
import { Random } from "../../base/random.ts";

export interface ForestOptions {
  trees?: number;
  /** Features that a node looks at; √D by default. */
  maxFeatures?: number;
  /** Examples that a leaf holds at least. */
  minLeaf?: number;
  seed?: number;
}

/** Node `i` sends what has `feature[i]` ≤ `threshold[i]` to `left[i]`, the rest to `right[i]`; a leaf has feature −1. */
export interface Tree {
  readonly feature: Int32Array;
  readonly threshold: Float64Array;
  readonly left: Int32Array;
  readonly right: Int32Array;
  /** Share of the first class among the node's examples. */
  readonly value: Float64Array;
}

export interface Forest {
  readonly trees: readonly Tree[];
}

/**
 * Grows a random forest (Breiman 2001): the likelihood that an example is good, from its features.
 *
 * @param features - `[D]` of each example
 * @param labels - whether each is good
 */
export function fitForest(
  features: readonly ArrayLike<number>[],
  labels: readonly boolean[],
  { trees = 200, maxFeatures, minLeaf = 1, seed = 0 }: ForestOptions = {},
): Forest {
  const columns = rankColumns(features);
  const width = columns.length;
  const tried = Math.min(width, maxFeatures ?? Math.max(1, Math.floor(Math.sqrt(width))));
  const random = new Random(seed);
  const grown = Array.from({ length: trees }, (_, t) =>
    new Grower(columns, labels, { tried, minLeaf, random: random.split(t) }).grow(),
  );
  return { trees: grown };
}

/** Mean share of good examples over the leaves that `row` `[D]` falls into. */
export function forestScore({ trees }: Forest, row: ArrayLike<number>): number {
  let sum = 0;
  for (const { feature, threshold, left, right, value } of trees) {
    let node = 0;
    for (let f = feature[0]!; f >= 0; f = feature[node]!)
      node = row[f]! <= threshold[node]! ? left[node]! : right[node]!;
    sum += value[node]!;
  }
  return sum / trees.length;
}

/** A feature of all examples: equal values have equal ranks, from 0. */
interface Column {
  ranks: Float64Array;
  /** By rank, ascending. */
  values: Float64Array;
}

function rankColumns(features: readonly ArrayLike<number>[]): Column[] {
  const width = features[0]?.length ?? 0;
  return Array.from({ length: width }, (_, d) => {
    const column = Float64Array.from(features, (row) => row[d]!);
    const values = Float64Array.from(new Set(column)).sort();
    const rankOf = new Map([...values].map((value, rank) => [value, rank]));
    return { ranks: column.map((value) => rankOf.get(value)!), values };
  });
}

class Grower {
  readonly #columns: readonly Column[];
  readonly #labels: readonly boolean[];
  readonly #options: { tried: number; minLeaf: number; random: Random };
  readonly #nodes: Record<"feature" | "threshold" | "left" | "right" | "value", number[]> = {
    ...{ feature: [], threshold: [], left: [], right: [], value: [] },
  };

  constructor(
    columns: readonly Column[],
    labels: readonly boolean[],
    options: { tried: number; minLeaf: number; random: Random },
  ) {
    this.#columns = columns;
    this.#labels = labels;
    this.#options = options;
  }

  grow(): Tree {
    const count = this.#labels.length;
    const { random } = this.#options;
    this.#node(Int32Array.from({ length: count }, () => random.integer(count)));
    const { feature, threshold, left, right, value } = this.#nodes;
    return {
      feature: Int32Array.from(feature),
      threshold: Float64Array.from(threshold),
      left: Int32Array.from(left),
      right: Int32Array.from(right),
      value: Float64Array.from(value),
    };
  }

  /** Adds the node of these examples with everything below it; gives its number. */
  #node(examples: Int32Array): number {
    const good = examples.reduce((sum, i) => sum + (this.#labels[i] === true ? 1 : 0), 0);
    const nodes = this.#nodes;
    const node = nodes.feature.push(-1) - 1;
    nodes.threshold.push(0);
    nodes.left.push(-1);
    nodes.right.push(-1);
    nodes.value.push(good / examples.length);
    if (good === 0 || good === examples.length) return node;
    const split = this.#bestSplit(examples, good);
    if (split === undefined) return node;
    const { ranks, values } = this.#columns[split.feature]!;
    nodes.feature[node] = split.feature;
    // Half-way between neighbours; at the lower one where rounding reaches the upper.
    const [low, high] = [values[split.rank]!, values[split.nextRank]!];
    const middle = low + (high - low) / 2;
    nodes.threshold[node] = middle < high ? middle : low;
    nodes.left[node] = this.#node(examples.filter((i) => ranks[i]! <= split.rank));
    nodes.right[node] = this.#node(examples.filter((i) => ranks[i]! > split.rank));
    return node;
  }

  /** The split with the least impurity among features drawn at random; more are drawn while all are constant. */
  #bestSplit(
    examples: Int32Array,
    good: number,
  ): { feature: number; rank: number; nextRank: number } | undefined {
    const { tried, minLeaf, random } = this.#options;
    const count = examples.length;
    const order = Uint32Array.from({ length: this.#columns.length }, (_, d) => d);
    const keys = new Float64Array(count);
    let best: { feature: number; rank: number; nextRank: number } | undefined;
    let bestPurity = -Infinity;
    for (let drawn = 0, useful = 0; drawn < order.length && useful < tried; drawn++) {
      const at = drawn + random.integer(order.length - drawn);
      const feature = order[at]!;
      order[at] = order[drawn]!;
      const { ranks } = this.#columns[feature]!;
      // Rank and label in one number, so that sorting moves both.
      for (let i = 0; i < count; i++)
        keys[i] = 2 * ranks[examples[i]!]! + (this.#labels[examples[i]!] === true ? 1 : 0);
      keys.sort();
      if (Math.floor(keys[0]! / 2) === Math.floor(keys[count - 1]! / 2)) continue;
      useful++;
      let goodLeft = 0;
      for (let i = 0; i + 1 < count; i++) {
        goodLeft += keys[i]! % 2;
        const [rank, nextRank] = [Math.floor(keys[i]! / 2), Math.floor(keys[i + 1]! / 2)];
        const [left, right] = [i + 1, count - i - 1];
        if (rank === nextRank || left < minLeaf || right < minLeaf) continue;
        // Σ over sides of (good² + bad²) / size: the largest has the least Gini impurity.
        const [badLeft, goodRight] = [left - goodLeft, good - goodLeft];
        const purity =
          (goodLeft ** 2 + badLeft ** 2) / left +
          (goodRight ** 2 + (right - goodRight) ** 2) / right;
        if (purity > bestPurity) [bestPurity, best] = [purity, { feature, rank, nextRank }];
      }
    }
    return best;
  }
}
