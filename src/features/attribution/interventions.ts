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

/** The edit that takes what a feature writes at its position out of the stream. */
function without(graph: AttributionGraph, transcoders: Transcoders, node: number): Edit {
  const found = graph.nodes[node];
  const dictionary = found?.kind === "feature" ? transcoders.get(found.layer) : undefined;
  invariant(found?.kind === "feature" && dictionary !== undefined, "a node is a feature");
  return {
    op: "add",
    at: `blocks.${found.layer}.hook_mlp_out`,
    positions: [found.position],
    value: decoderRow(dictionary, found.feature),
    scale: -found.activation,
  };
}
