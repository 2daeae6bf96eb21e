/**
 * What single edges do: patched in earnest, or estimated from gradients.
 *
 *   exact     metric(clean run in which one edge carries what the corrupted run gives) − metric(clean run)
 *   eap       Σ (corrupted_u − clean_u) · ∂metric/∂x_v, in the clean run (Syed et al. 2023, arXiv 2310.10348)
 *   eap-ig    the same with the mean gradient between the embeddings of both prompts (Hanna et al. 2024, arXiv 2403.17806)
 *
 * Positive values raise the metric when the edge is corrupted, negative ones lower it. Paths: Wang et al. 2022, arXiv 2211.00593.
 */
import { LabError } from "../../base/errors.ts";
import { measure, type MetricName } from "../metric.ts";
import type { TaskPair } from "../tasks/task.ts";
import type { CircuitModel } from "./circuit-model.ts";
import { estimatedEdges } from "./estimate.ts";
import { edgeOf } from "./graph.ts";

export type Pair = Pick<TaskPair, "clean" | "corrupted" | "right" | "wrong">;

export const EDGE_METHODS = ["eap-ig", "eap", "exact"] as const;
export type EdgeMethod = (typeof EDGE_METHODS)[number];

export interface EdgeOptions {
  method?: EdgeMethod;
  /** Of `eap-ig`. */
  steps?: number;
  signal?: AbortSignal | undefined;
  onProgress?: ((done: number, total: number) => void) | undefined;
}

/**
 * The change of the logit difference by each edge, mean over the pairs, in the order of `circuit.graph`.
 *
 * @throws LabError `bad_input` for pairs of unequal lengths
 */
export async function edgeEffects(
  circuit: CircuitModel,
  pairs: readonly Pair[],
  { method = "eap-ig", steps = 5, signal, onProgress }: EdgeOptions = {},
): Promise<Float64Array> {
  checkPairs(pairs);
  const sum = new Float64Array(circuit.graph.edges);
  for (const [i, pair] of pairs.entries()) {
    signal?.throwIfAborted();
    const found =
      method === "exact"
        ? await patchedEdges(circuit, pair, signal)
        : await estimatedEdges(circuit, pair, method === "eap" ? "clean" : { steps });
    found.forEach((value, edge) => (sum[edge] = (sum[edge] as number) + value / pairs.length));
    onProgress?.(i + 1, pairs.length);
  }
  return sum;
}

export function checkPairs(pairs: readonly Pair[]): void {
  if (pairs.length === 0) throw new LabError("bad_input", "no pairs of prompts are given");
  for (const { clean, corrupted } of pairs)
    if (clean.length !== corrupted.length)
      throw new LabError("bad_input", `a pair of ${clean.length} and ${corrupted.length} tokens`, {
        hint: "An edge carries values between equal positions; `alignPrompts` shows the tokens.",
      });
}

async function patchedEdges(
  circuit: CircuitModel,
  pair: Pair,
  signal: AbortSignal | undefined,
): Promise<Float64Array> {
  const { edges } = circuit.graph;
  const base = await circuit.sources(pair.corrupted);
  const whole = new Uint8Array(edges).fill(1);
  const without = (edge: number): Uint8Array => {
    const kept = whole.slice();
    kept[edge] = 0;
    return kept;
  };
  const kept = [whole, ...Array.from({ length: edges }, (_, edge) => without(edge))];
  const logits = await circuit.logits(pair.clean, { base, kept, signal });
  const [clean = NaN, ...patched] = logits.map((own) => measure(own, pair));
  return Float64Array.from(patched, (value) => value - clean);
}

/**
 * The change of the metric where what the corrupted run gives goes along one path only: the first edge carries it, what that
 * makes of its target goes along the second, and so on; everything else is as in the clean run.
 *
 * @param path - names of edges, each from what the one before leads to: `a0.h1->a1.h0<k>`, `a1.h0->logits`
 */
export async function patchPath(
  circuit: CircuitModel,
  pair: Pair,
  path: readonly string[],
  { metric = "logit_diff" }: { metric?: MetricName } = {},
): Promise<number> {
  checkPairs([pair]);
  const { graph } = circuit;
  const edges = path.map((name) => edgeOf(graph, name));
  assertPath(path);
  const [clean, corrupted] = [
    await circuit.sources(pair.clean),
    await circuit.sources(pair.corrupted),
  ];
  const size = clean.length / graph.sources.length;
  const base = clean.slice();
  const put = (source: string, values: Float32Array): void => {
    const at = graph.sources.indexOf(source) * size;
    base.set(values.subarray(at, at + size), at);
  };
  const [first = ""] = path;
  put(first.split("->")[0] as string, corrupted);
  const whole = new Uint8Array(graph.edges).fill(1);
  const only = (edge: number): Uint8Array => {
    const kept = whole.slice();
    kept[edge] = 0;
    return kept;
  };
  for (const [i, edge] of edges.slice(0, -1).entries()) {
    const made = await circuit.ablatedSources(pair.clean, { base, kept: only(edge) });
    put(path[i + 1]?.split("->")[0] as string, made);
  }
  const kept = [only(edges.at(-1) as number), whole];
  const [patched, alone] = await circuit.logits(pair.clean, { base, kept });
  return (
    measure(patched as Float32Array, pair, metric) - measure(alone as Float32Array, pair, metric)
  );
}

function assertPath(path: readonly string[]): void {
  if (path.length === 0) throw new LabError("bad_input", "a path of no edges");
  for (const [i, name] of path.entries()) {
    const [, to = ""] = name.split("->");
    const [next] = path[i + 1]?.split("->") ?? ["logits"];
    if (to.replace(/<.>$/, "") !== next)
      throw new LabError("bad_input", `${name} does not lead to ${next}`, {
        hint: "A path ends at the logits, and each edge begins where the one before ends.",
      });
  }
}
