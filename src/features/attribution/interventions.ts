/**
 * Whether a graph's claims hold in the model: features are taken out at their position, everything after is computed anew, and what
 * the logit loses is held against what the graph says. Beside them, as many features that the graph finds unimportant.
 */
import { invariant } from "../../base/errors.ts";
import { Random } from "../../base/random.ts";
import type { LanguageModel } from "../../generate/language-model.ts";
import type { Edit } from "../../model/hooks/edits.ts";
import { decoderRow } from "../dictionary.ts";
import { totalEffects, type AttributionGraph, type Transcoders } from "./graph.ts";

export interface Intervention {
  /** Index of the node. */
  node: number;
  /** What the likeliest token's logit, less the mean of all, would change by without it: by the graph, and in the model. */
  predicted: number;
  found: number;
}

export interface GraphCheck {
  top: Intervention[];
  random: Intervention[];
  /** Of the top ones, the share whose change has the sign that the graph says. */
  agreement: number;
  /** Mean size of the change: of the top features, and of the random ones. */
  topEffect: number;
  randomEffect: number;
}

/** @param options.count - features of each kind */
export async function checkGraph(
  model: LanguageModel,
  graph: AttributionGraph,
  transcoders: Transcoders,
  { count = 8, seed = 0, signal }: { count?: number; seed?: number; signal?: AbortSignal } = {},
): Promise<GraphCheck> {
  const target = graph.nodes.findIndex(({ kind }) => kind === "logit");
  const token = (graph.nodes[target] as { token: number }).token;
  const effects = totalEffects(graph, target);
  const order = Array.from({ length: graph.features }, (_, i) => i).sort(
    (a, b) => Math.abs(effects[b] as number) - Math.abs(effects[a] as number),
  );
  const chosen = order.slice(0, count);
  const rest = order.slice(count);
  const drawn = [...new Random(seed).permutation(rest.length).subarray(0, count)].map(
    (i) => rest[i] as number,
  );
  const own = signal === undefined ? {} : { signal };
  const logitOf = async (edits: Edit[]): Promise<number> => {
    const [logits] = (await model.run([...graph.ids], { edits, ...own })).logits;
    const values = logits as Float32Array;
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
    return (values[token] as number) - mean;
  };
  const before = await logitOf([]);
  const take = async (node: number): Promise<Intervention> => ({
    node,
    predicted: -(effects[node] as number),
    found: (await logitOf([without(graph, transcoders, node)])) - before,
  });
  const [top, random]: [Intervention[], Intervention[]] = [[], []];
  for (const node of chosen) top.push(await take(node));
  for (const node of drawn) random.push(await take(node));
  const size = (list: readonly Intervention[]): number =>
    list.reduce((sum, { found }) => sum + Math.abs(found), 0) / Math.max(1, list.length);
  const agreeing = top.filter(({ predicted, found }) => predicted * found > 0).length;
  return {
    ...{ top, random },
    agreement: agreeing / Math.max(1, top.length),
    ...{ topEffect: size(top), randomEffect: size(random) },
  };
}

/** What becomes of the answer when features are taken out together. */
export interface TogetherCheck {
  /** The likeliest token as it is. */
  answer: number;
  /** What the answer's logit, less the mean of all, changes by: as the graph says of the top features, and in the model. */
  predicted: number;
  top: Together;
  /** As many of the other features. */
  random: Together;
  /** As many of those others, or all, that fire at the layers and positions of the top ones. */
  nearby: Together;
}

interface Together {
  nodes: number[];
  found: number;
  /** The likeliest token without them. */
  answer: number;
  /** Whether the change is between half and one and a half of what the graph says of the top ones, and the answer another. */
  asPredicted: boolean;
}

/**
 * Takes the features out together that do most for the likeliest token by the graph, and beside them as many that are drawn from the
 * others, and as many of the same places, and holds all against the same prediction.
 *
 * @param options.count - features of each kind
 */
export async function checkTogether(
  model: LanguageModel,
  graph: AttributionGraph,
  transcoders: Transcoders,
  { count = 64, seed = 0, signal }: { count?: number; seed?: number; signal?: AbortSignal } = {},
): Promise<TogetherCheck> {
  const target = graph.nodes.findIndex(({ kind }) => kind === "logit");
  const { token } = graph.nodes[target] as { token: number };
  const effects = totalEffects(graph, target);
  const order = Array.from({ length: graph.features }, (_, i) => i).sort(
    (a, b) => (effects[b] as number) - (effects[a] as number),
  );
  const rest = order.slice(count);
  const top = order.slice(0, count);
  const drawn = (from: readonly number[]): number[] =>
    [...new Random(seed).permutation(from.length).subarray(0, count)].map((i) => from[i] as number);
  const placeOf = (i: number): string => {
    const { layer, position } = graph.nodes[i] as { layer: number; position: number };
    return `${layer} ${position}`;
  };
  const places = new Set(top.map(placeOf));
  const near = rest.filter((i) => places.has(placeOf(i)));
  const predicted = -top.reduce((sum, i) => sum + (effects[i] as number), 0);
  const run = async (edits: Edit[]): Promise<{ value: number; answer: number }> => {
    const own = signal === undefined ? {} : { signal };
    const logits = (await model.run([...graph.ids], { edits, ...own })).logits[0] as Float32Array;
    const mean = logits.reduce((sum, value) => sum + value, 0) / logits.length;
    const answer = logits.indexOf(logits.reduce((a, b) => Math.max(a, b), -Infinity));
    return { value: (logits[token] as number) - mean, answer };
  };
  const before = await run([]);
  const without = async (nodes: number[]): Promise<Together> => {
    const { value, answer } = await run(withoutFeatures(graph, transcoders, nodes));
    const found = value - before.value;
    const share = found / predicted;
    return { nodes, found, answer, asPredicted: share >= 0.5 && share <= 1.5 && answer !== token };
  };
  return {
    ...{ answer: token, predicted },
    top: await without(top),
    random: await without(drawn(rest)),
    nearby: await without(drawn(near)),
  };
}

/** The edits that take what features write at their positions out of the stream. */
export function withoutFeatures(
  graph: AttributionGraph,
  transcoders: Transcoders,
  nodes: readonly number[],
): Edit[] {
  const sums = new Map<string, { edit: Edit; value: Float32Array }>();
  for (const node of nodes) {
    const { at, positions, value, scale } = without(graph, transcoders, node);
    const key = `${at} ${positions[0]}`;
    const sum = sums.get(key)?.value ?? new Float32Array(value.length);
    value.forEach((x, d) => (sum[d] = (sum[d] as number) + scale * x));
    sums.set(key, { edit: { op: "add", at, positions, value: sum }, value: sum });
  }
  return [...sums.values()].map(({ edit }) => edit);
}

/** The edit that takes what a feature writes at its position out of the stream. */
function without(graph: AttributionGraph, transcoders: Transcoders, node: number) {
  const found = graph.nodes[node];
  const dictionary = found?.kind === "feature" ? transcoders.get(found.layer) : undefined;
  invariant(found?.kind === "feature" && dictionary !== undefined, "a node is a feature");
  return {
    op: "add",
    at: `blocks.${found.layer}.hook_mlp_out`,
    positions: [found.position],
    value: decoderRow(dictionary, found.feature),
    scale: -found.activation,
  } satisfies Edit;
}
