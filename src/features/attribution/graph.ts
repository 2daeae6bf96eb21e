/**
 * Attribution graphs (Ameisen et al. 2025, "Circuit Tracing"; Hanna et al. 2025, circuit-tracer): with attention patterns and the
 * scales of LayerNorms as they are in one run, and MLPs said by transcoders, what a feature reads is a sum of what earlier
 * features, errors and tokens wrote. The weight of an edge is the share of the one in what the other reads:
 *
 *   weight[t ← s] = activation_s · ⟨W_d,s , J·W_e,t⟩
 *
 * with J what carries a direction back through the frozen blocks between them. In a parallel block what an MLP reads has the
 * attention of the blocks before it, not of its own.
 */
import type { Dictionary } from "../dictionary.ts";

export type GraphNode =
  | { kind: "feature"; layer: number; position: number; feature: number; activation: number }
  /** What the transcoder of a layer leaves out; all of the MLP where a layer has none. */
  | { kind: "error"; layer: number; position: number }
  | { kind: "token"; position: number; token: number }
  | { kind: "logit"; token: number; probability: number };

export interface AttributionGraph {
  ids: readonly number[];
  layers: number;
  /** Features by layer and position, errors, tokens, logits. */
  nodes: readonly GraphNode[];
  /** `[targets, sources]`, both in the order of `nodes`; errors and tokens are no targets. */
  weights: Float32Array;
  /** Features that fired, and how many of them are nodes; the others are part of the errors. */
  active: number;
  features: number;
}

/** What is left after pruning, and how much each node counts for the logits. */
export interface PrunedGraph {
  graph: AttributionGraph;
  /** Indices of nodes, ascending. */
  nodes: number[];
  edges: { source: number; target: number; weight: number }[];
  /** Of every node of the graph. */
  influence: Float64Array;
}

export type Transcoders = ReadonlyMap<number, Dictionary>;

/** Shares of what is kept, by influence: circuit-tracer's defaults. */
export const PRUNING = { nodeThreshold: 0.8, edgeThreshold: 0.98 };

/** Leaves out the nodes and edges that count least for the logits, as circuit-tracer's `prune_graph` does. */
export function pruneGraph(
  graph: AttributionGraph,
  { nodeThreshold, edgeThreshold }: typeof PRUNING = PRUNING,
): PrunedGraph {
  const count = graph.nodes.length;
  const isEnd = (i: number): boolean => {
    const kind = graph.nodes[i]?.kind;
    return kind === "token" || kind === "logit";
  };
  const influence = influenceOf(graph, graph.weights);
  const inner = [...influence.keys()].filter((i) => !isEnd(i));
  const keptNodes = new Set(largest(inner, (i) => influence[i] as number, nodeThreshold));
  const alive = (i: number): boolean => isEnd(i) || keptNodes.has(i);
  const weights = graph.weights.slice();
  for (let t = 0; t < count; t++)
    for (let s = 0; s < count; s++) if (!alive(t) || !alive(s)) weights[t * count + s] = 0;
  // An edge counts as its target does, by its share of what the target reads.
  const pruned = influenceOf(graph, weights);
  const sums = rowSums(weights, count);
  const score = (edge: number): number => {
    const target = Math.floor(edge / count);
    const own = pruned[target] as number;
    return sums[target] === 0
      ? 0
      : (Math.abs(weights[edge] as number) / (sums[target] as number)) * own;
  };
  const edges = largest(
    [...weights.keys()].filter((edge) => weights[edge] !== 0),
    score,
    edgeThreshold,
  );
  const kept = new Set(edges);
  // What leads nowhere, or comes from nowhere, goes too.
  for (let before = -1; before !== keptNodes.size;) {
    before = keptNodes.size;
    const [reads, isRead] = [new Set<number>(), new Set<number>()];
    for (const edge of kept) {
      reads.add(Math.floor(edge / count));
      isRead.add(edge % count);
    }
    for (const i of keptNodes) {
      const isError = graph.nodes[i]?.kind === "error";
      if (isRead.has(i) && (isError || reads.has(i))) continue;
      keptNodes.delete(i);
      for (const edge of kept)
        if (edge % count === i || Math.floor(edge / count) === i) kept.delete(edge);
    }
  }
  return {
    graph,
    nodes: Array.from({ length: count }, (_, i) => i).filter(alive),
    edges: [...kept]
      .sort((a, b) => a - b)
      .map((edge) => ({
        source: edge % count,
        target: Math.floor(edge / count),
        weight: weights[edge] as number,
      })),
    influence,
  };
}

/** How much of the logits, weighed by their probabilities, goes through each node: Σ over paths of shares of |weight|. */
function influenceOf({ nodes }: AttributionGraph, weights: Float32Array): Float64Array {
  const count = nodes.length;
  const sums = rowSums(weights, count);
  const total = new Float64Array(count);
  let front = Float64Array.from(nodes, (node) => (node.kind === "logit" ? node.probability : 0));
  nodes.forEach((node, i) => (total[i] = node.kind === "logit" ? node.probability : 0));
  // A path has no more edges than there are layers, tokens and logits aside.
  for (let depth = 0; depth <= count && front.some((value) => value > 0); depth++) {
    const next = new Float64Array(count);
    for (let t = 0; t < count; t++) {
      const own = front[t] as number;
      const sum = sums[t] as number;
      if (own === 0 || sum === 0) continue;
      for (let s = 0; s < count; s++) {
        const weight = weights[t * count + s] as number;
        if (weight !== 0) next[s] = (next[s] as number) + (own * Math.abs(weight)) / sum;
      }
    }
    next.forEach((value, i) => (total[i] = (total[i] as number) + value));
    front = next;
  }
  return total;
}

function rowSums(weights: Float32Array, count: number): Float64Array {
  const sums = new Float64Array(count);
  for (let t = 0; t < count; t++)
    for (let s = 0; s < count; s++)
      sums[t] = (sums[t] as number) + Math.abs(weights[t * count + s] as number);
  return sums;
}

/** The largest of a list until they make up a share of the sum. */
function largest(list: readonly number[], score: (i: number) => number, share: number): number[] {
  const scored = list.map((i) => ({ i, score: score(i) })).sort((a, b) => b.score - a.score);
  const total = scored.reduce((sum, own) => sum + own.score, 0);
  let sum = 0;
  const kept: number[] = [];
  for (const own of scored) {
    if (own.score === 0 || sum >= share * total) break;
    kept.push(own.i);
    sum += own.score;
  }
  return kept;
}

/**
 * What the logit of `target` would lose without each feature, were everything as linear as the graph says: what it does directly, and
 * through the features that read it.
 */
export function totalEffects(graph: AttributionGraph, target: number): Float64Array {
  const count = graph.nodes.length;
  const total = Float64Array.from(graph.weights.subarray(target * count, (target + 1) * count));
  // Features come by layer: the last are done first.
  for (let t = graph.features - 1; t >= 0; t--) {
    const node = graph.nodes[t];
    if (node?.kind !== "feature") continue;
    const factor = (total[t] as number) / node.activation;
    for (let s = 0; s < count; s++) {
      const weight = graph.weights[t * count + s] as number;
      if (weight !== 0) total[s] = (total[s] as number) + factor * weight;
    }
  }
  return total;
}
