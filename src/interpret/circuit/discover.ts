/**
 * Finding circuits and judging them.
 *
 * - ACDC (Conmy et al. 2023, arXiv 2304.14997, algorithm 1): from the logits back, an edge is left out for good where that
 *   changes the answer by less than a threshold
 * - faithfulness (Hanna et al. 2024): (m(circuit) − m(nothing)) / (m(model) − m(nothing)); 1 where the circuit suffices
 * - the rest: the same of all edges but the circuit's; 0 where the circuit is complete (Wang et al. 2022)
 *
 * Edges that are left out carry 0, the mean over the prompts, or what the counterpart gives. Beside every circuit stand random
 * ones of as many edges.
 */
import { LabError } from "../../base/errors.ts";
import { Random } from "../../base/random.ts";
import type { Ablation } from "../ablation.ts";
import { divergence, measure, type MetricName } from "../metric.ts";
import type { CircuitModel } from "./circuit-model.ts";
import { checkPairs, type Pair } from "./edges.ts";
import { connected } from "./graph.ts";

/** What edges that are left out carry in each pair, `[S, T, D]`. Throws `bad_input` for a mean over unequal lengths. */
async function basesOf(
  circuit: CircuitModel,
  pairs: readonly Pair[],
  ablation: Ablation,
): Promise<Float32Array[]> {
  checkPairs(pairs);
  const size = circuit.graph.sources.length * circuit.config.width;
  if (ablation === "zero") return pairs.map(({ clean }) => new Float32Array(size * clean.length));
  const sources: Float32Array[] = [];
  for (const { corrupted } of pairs) sources.push(await circuit.sources(corrupted));
  if (ablation === "resample") return sources;
  const [first] = sources;
  if (first === undefined || sources.some(({ length }) => length !== first.length))
    throw new LabError("bad_input", "a mean over prompts of unequal lengths", {
      hint: "Take pairs of one length, or the ablation resample.",
    });
  const mean = first.map(
    (_, i) => sources.reduce((sum, own) => sum + (own[i] as number), 0) / sources.length,
  );
  return pairs.map(() => mean);
}

export interface AcdcOptions {
  /** An edge that changes the answer by less is left out. */
  threshold: number;
  ablation?: Ablation;
  signal?: AbortSignal | undefined;
  onProgress?: ((done: number, total: number) => void) | undefined;
}

/** The edges that are kept: one value for each, 0 or 1. What is compared is the KL divergence from the whole model. */
export async function acdc(
  circuit: CircuitModel,
  pairs: readonly Pair[],
  { threshold, ablation = "zero", signal, onProgress }: AcdcOptions,
): Promise<Uint8Array> {
  const { targets, edges } = circuit.graph;
  const bases = await basesOf(circuit, pairs, ablation);
  const kept = new Uint8Array(edges).fill(1);
  const logitsOf = async (own: Uint8Array): Promise<Float32Array[]> => {
    const found: Float32Array[] = [];
    for (const [i, { clean }] of pairs.entries()) {
      const base = bases[i] as Float32Array;
      found.push(...(await circuit.logits(clean, { base, kept: [own], signal })));
    }
    return found;
  };
  const whole = await logitsOf(kept);
  const distance = async (own: Uint8Array): Promise<number> =>
    (await logitsOf(own)).reduce(
      (sum, logits, i) => sum + divergence(whole[i] as Float32Array, logits) / pairs.length,
      0,
    );
  let now = 0;
  let done = 0;
  for (const target of [...targets].reverse())
    for (let s = target.sources - 1; s >= 0; s--) {
      kept[target.start + s] = 0;
      const then = await distance(kept);
      if (then - now < threshold) now = then;
      else kept[target.start + s] = 1;
      onProgress?.(++done, edges);
    }
  return kept;
}

/** The `count` edges of the largest effects, either way, without those that lead nowhere. */
export function strongestEdges(
  { graph }: Pick<CircuitModel, "graph">,
  effects: ArrayLike<number>,
  count: number,
): Uint8Array {
  const order = Array.from({ length: graph.edges }, (_, edge) => edge).sort(
    (a, b) => Math.abs(effects[b] as number) - Math.abs(effects[a] as number),
  );
  const kept = new Uint8Array(graph.edges);
  for (const edge of order.slice(0, count)) kept[edge] = 1;
  return connected(graph, kept);
}

export interface CircuitCheck {
  ablation: Ablation;
  metric: MetricName;
  edges: number;
  /** Of the whole model, of none of its edges, of the circuit, of all but the circuit. Means over the pairs. */
  model: number;
  nothing: number;
  circuit: number;
  rest: number;
  faithfulness: number;
  /** Faithfulness of all but the circuit: 0 where nothing is missing from it. */
  restFaithfulness: number;
  /** Faithfulness of random circuits of as many edges. */
  random: number[];
}

/** How faithful and how complete a circuit is, beside random circuits of as many edges. */
export async function checkCircuit(
  circuit: CircuitModel,
  pairs: readonly Pair[],
  kept: Uint8Array,
  {
    ablation = "resample",
    metric = "logit_diff",
    controls = 5,
    seed = 0,
    signal,
  }: {
    ablation?: Ablation;
    metric?: MetricName;
    controls?: number;
    seed?: number;
    signal?: AbortSignal | undefined;
  } = {},
): Promise<CircuitCheck> {
  const { edges } = circuit.graph;
  const count = kept.reduce((sum, own) => sum + own, 0);
  const random = new Random(seed);
  const drawn = Array.from({ length: controls }, () => {
    const own = new Uint8Array(edges);
    for (const edge of random.permutation(edges).subarray(0, count)) own[edge] = 1;
    return own;
  });
  const variants = [
    new Uint8Array(edges).fill(1),
    new Uint8Array(edges),
    kept,
    kept.map((own) => 1 - own),
    ...drawn,
  ];
  const values = await measureCircuits(circuit, pairs, variants, { ablation, metric, signal });
  const [model = NaN, nothing = NaN, own = NaN, rest = NaN, ...others] = values;
  const share = (value: number): number => (value - nothing) / (model - nothing);
  if (Math.abs(model - nothing) < 1e-6 * Math.max(1, Math.abs(model)))
    throw new LabError("bad_input", `with and without all edges the model measures ${model}`, {
      hint: "Choose pairs whose counterpart changes the answer.",
    });
  return {
    ...{ ablation, metric, edges: count, model, nothing, circuit: own, rest },
    faithfulness: share(own),
    restFaithfulness: share(rest),
    random: others.map(share),
  };
}

/** The metric of circuits, mean over the pairs. */
async function measureCircuits(
  circuit: CircuitModel,
  pairs: readonly Pair[],
  variants: readonly Uint8Array[],
  {
    ablation,
    metric,
    signal,
  }: { ablation: Ablation; metric: MetricName; signal?: AbortSignal | undefined },
): Promise<number[]> {
  const bases = await basesOf(circuit, pairs, ablation);
  const sums = variants.map(() => 0);
  for (const [i, pair] of pairs.entries()) {
    const base = bases[i] as Float32Array;
    const logits = await circuit.logits(pair.clean, { base, kept: variants, signal });
    logits.forEach((own, v) => {
      sums[v] = (sums[v] as number) + measure(own, pair, metric) / pairs.length;
    });
  }
  return sums;
}

/**
 * The smallest circuit of the strongest edges that is as faithful as asked: by halving, since more edges seldom lose.
 *
 * @throws LabError `check_failed` where even `most` edges are not so faithful
 */
export async function pruneCircuit(
  circuit: CircuitModel,
  pairs: readonly Pair[],
  effects: ArrayLike<number>,
  {
    faithfulness,
    most = circuit.graph.edges,
    ablation = "resample",
    signal,
  }: {
    faithfulness: number;
    /** Edges at most; of all by default. */
    most?: number;
    ablation?: Ablation;
    signal?: AbortSignal | undefined;
  },
): Promise<{ kept: Uint8Array; faithfulness: number }> {
  const at = async (count: number): Promise<{ kept: Uint8Array; faithfulness: number }> => {
    const kept = strongestEdges(circuit, effects, count);
    const found = await checkCircuit(circuit, pairs, kept, { ablation, controls: 0, signal });
    return { kept, faithfulness: found.faithfulness };
  };
  let [low, high] = [0, most];
  let best = await at(high);
  if (best.faithfulness < faithfulness)
    throw new LabError(
      "check_failed",
      `${high} edges have a faithfulness of ${best.faithfulness.toFixed(3)}, below ${faithfulness}`,
      { hint: "Ask for less, or discover with more edges." },
    );
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    const found = await at(middle);
    if (found.faithfulness >= faithfulness) [high, best] = [middle, found];
    else low = middle;
  }
  return best;
}

/** Area under the receiver operating curve of scores (Mann and Whitney): how well they tell `truth` from the rest. */
export function auroc(scores: ArrayLike<number>, truth: ArrayLike<number>): number {
  const order = Array.from({ length: scores.length }, (_, i) => i).sort(
    (a, b) => (scores[a] as number) - (scores[b] as number),
  );
  let [ranks, positives] = [0, 0];
  for (let i = 0; i < order.length;) {
    let end = i;
    while (end < order.length && scores[order[end] as number] === scores[order[i] as number]) end++;
    // Equal scores share their rank.
    const rank = (i + 1 + end) / 2;
    for (; i < end; i++)
      if (truth[order[i] as number] !== 0) {
        ranks += rank;
        positives++;
      }
  }
  const negatives = order.length - positives;
  return (ranks - (positives * (positives + 1)) / 2) / (positives * negatives);
}
