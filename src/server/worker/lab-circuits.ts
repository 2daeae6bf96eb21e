/** Attribution graphs, what features do in the model, and what circuits are worth, in the process of a model. */
import type { JsonObject } from "../../base/json.ts";
import { attributionGraph } from "../../features/attribution/attribute.ts";
import { pruneGraph, type GraphNode, type Transcoders } from "../../features/attribution/graph.ts";
import { intervene, type SetIntervention } from "../../features/attribution/intervene.ts";
import { checkGraph } from "../../features/attribution/interventions.ts";
import { neuronpediaGraph, nodeId } from "../../features/attribution/neuronpedia.ts";
import type { Dictionary } from "../../features/dictionary.ts";
import { transcodersByLayer } from "../../features/transcoders.ts";
import { tokenName } from "../../interpret/answers.ts";
import {
  checkCircuit,
  CircuitModel,
  edgesOf,
  strongestEdges,
  type CircuitCheck,
} from "../../interpret/index.ts";
import { pairsFor } from "../../interpret/pairs.ts";
import type {
  circuitCheckRequest,
  graphRequest,
  interveneRequest,
} from "../lab/feature-schemas.ts";
import type { LabArguments } from "../lab/schemas.ts";
import type { DictionaryFiles } from "./dictionary-shelf.ts";
import { assertPlain, tokensOf, type Asked } from "./lab-common.ts";
import type { ModelHost } from "./model-host.ts";
import type { OperationContext } from "./operations.ts";
import type { TokenText } from "./token-text.ts";

type AskedOf<S> = Asked<Omit<S, "transcoders"> & { transcoders: DictionaryFiles[] }>;

export interface ProgressEvent {
  done: number;
  total: number;
}

/** A node by Neuronpedia's id. */
export interface AnsweredNode {
  id: string;
  kind: GraphNode["kind"];
  /** L for logits, −1 for tokens. */
  layer: number;
  position: number;
  /** Of a feature, and the dictionary that has it. */
  feature?: number;
  activation?: number;
  dictionary?: string;
  /** Of a token and a logit. */
  token?: string;
  probability?: number;
  influence: number;
}

export interface GraphAnswer {
  tokens: TokenText[];
  layers: number;
  nodes: AnsweredNode[];
  links: { source: string; target: string; weight: number }[];
  /** Features that fired, and those that were nodes before pruning. */
  active: number;
  features: number;
  /** What happens in the model without features: the top ones by the graph, and random ones. */
  check: {
    top: AnsweredIntervention[];
    random: AnsweredIntervention[];
    agreement: number;
    topEffect: number;
    randomEffect: number;
  } | null;
  /** Neuronpedia's graph JSON. */
  neuronpedia: JsonObject;
}

export interface AnsweredIntervention {
  id: string;
  predicted: number;
  found: number;
}

export async function labGraph(
  {
    transcoders: files,
    prompt,
    maxFeatures,
    nodeThreshold,
    edgeThreshold,
    interventions,
    seed,
    adapter,
  }: AskedOf<LabArguments<typeof graphRequest>>,
  { host, signal, emit }: OperationContext<ProgressEvent>,
): Promise<GraphAnswer> {
  assertPlain(adapter);
  const { model } = host;
  const { transcoders, names } = await readTranscoders(host, files);
  const graph = await attributionGraph(model, prompt, transcoders, {
    ...{ maxFeatures, signal },
    onProgress: (done, total) => emit({ done, total }),
  });
  const pruned = pruneGraph(graph, { nodeThreshold, edgeThreshold });
  const found =
    interventions === 0 || graph.features === 0
      ? null
      : await checkGraph(model, graph, transcoders, { count: interventions, seed, signal });
  const named = (id: number): string => tokenName(model, id);
  const idOf = (i: number): string => nodeId(graph.nodes[i] as GraphNode, graph.layers);
  const text = typeof prompt === "string" ? prompt : prompt.map(named).join("");
  const { layers, ids } = graph;
  return {
    ...{ tokens: tokensOf(host, ids), layers, active: graph.active, features: graph.features },
    nodes: pruned.nodes.map((i) =>
      answeredNode(graph.nodes[i] as GraphNode, {
        ...{ id: idOf(i), influence: pruned.influence[i] as number, layers },
        ...{ length: ids.length, named, names },
      }),
    ),
    links: pruned.edges.map(({ source, target, weight }) => ({
      ...{ source: idOf(source), target: idOf(target), weight },
    })),
    check: found && {
      ...found,
      top: found.top.map(({ node, ...own }) => ({ id: idOf(node), ...own })),
      random: found.random.map(({ node, ...own }) => ({ id: idOf(node), ...own })),
    },
    neuronpedia: neuronpediaGraph(pruned, {
      ...{ slug: "philab", model: files[0]?.name ?? "", prompt: text, tokenName: named },
      nodeThreshold,
    }),
  };
}

export interface InterveneAnswer extends Omit<SetIntervention, "before" | "after" | "random"> {
  tokens: {
    token: string;
    before: { logit: number; probability: number };
    after: { logit: number; probability: number };
    /** With each set of random features changed instead. */
    random: { logit: number; probability: number }[];
  }[];
}

export async function labIntervene(
  {
    transcoders: files,
    prompt,
    features,
    factor,
    controls,
    seed,
    adapter,
  }: AskedOf<LabArguments<typeof interveneRequest>>,
  { host, signal }: OperationContext,
): Promise<InterveneAnswer> {
  assertPlain(adapter);
  const { transcoders } = await readTranscoders(host, files);
  const { before, after, random, activations } = await intervene(
    host.model,
    prompt,
    transcoders,
    features,
    { factor, controls, seed, signal },
  );
  return {
    activations,
    tokens: before.map(({ token, ...own }, i) => ({
      ...{ token: tokenName(host.model, token), before: own },
      after: { logit: after[i]?.logit ?? NaN, probability: after[i]?.probability ?? NaN },
      random: random.map((set) => ({
        ...{ logit: set[i]?.logit ?? NaN, probability: set[i]?.probability ?? NaN },
      })),
    })),
  };
}

export interface CircuitCheckAnswer {
  checks: CircuitCheck[];
}

/** The strongest edges of a circuit, as many as each size says, and what they are worth. */
export async function labCircuitCheck(
  {
    total,
    edges,
    sizes,
    ablation,
    controls,
    seed,
    adapter,
    ...asked
  }: Asked<LabArguments<typeof circuitCheckRequest>>,
  { host, signal, emit }: OperationContext<{ size: number; check: CircuitCheck }>,
): Promise<CircuitCheckAnswer> {
  assertPlain(adapter);
  const { model } = host;
  using circuit = await CircuitModel.open(model);
  const made = { name: "another model", sha256: "" };
  const { effects } = edgesOf({ edges, total, model: made }, circuit.graph, model);
  const pairs = pairsFor(model, { ...asked, seed });
  const checks: CircuitCheck[] = [];
  for (const size of sizes) {
    signal.throwIfAborted();
    const kept = strongestEdges(circuit, effects, Math.min(size, edges.length));
    const check = await checkCircuit(circuit, pairs, kept, { ablation, controls, seed, signal });
    checks.push(check);
    emit({ size, check });
  }
  return { checks };
}

/** By layer, and the name of each. */
async function readTranscoders(
  host: ModelHost,
  files: readonly DictionaryFiles[],
): Promise<{ transcoders: Transcoders; names: ReadonlyMap<number, string> }> {
  const given: { name: string; dictionary: Dictionary }[] = [];
  for (const one of files)
    given.push({ name: one.name, dictionary: await host.dictionaries.read(one) });
  const transcoders = transcodersByLayer(given);
  // The map keeps their order.
  const names = [...transcoders.keys()].map((layer, i) => [layer, given[i]?.name ?? ""] as const);
  return { transcoders, names: new Map(names) };
}

function answeredNode(
  node: GraphNode,
  {
    id,
    influence,
    layers,
    length,
    named,
    names,
  }: {
    id: string;
    influence: number;
    layers: number;
    length: number;
    named: (id: number) => string;
    names: ReadonlyMap<number, string>;
  },
): AnsweredNode {
  const { kind } = node;
  switch (kind) {
    case "feature": {
      const { layer, position, feature, activation } = node;
      const dictionary = names.get(layer);
      return {
        ...{ id, kind, layer, position, feature, activation, influence },
        ...(dictionary === undefined ? {} : { dictionary }),
      };
    }
    case "error":
      return { id, kind, layer: node.layer, position: node.position, influence };
    case "token":
      return {
        ...{ id, kind, layer: -1, position: node.position, influence },
        token: named(node.token),
      };
    case "logit":
      return {
        ...{ id, kind, layer: layers, position: length - 1, influence },
        ...{ token: named(node.token), probability: node.probability },
      };
  }
}
