/** A pruned graph as Neuronpedia's graph JSON, with the names that circuit-tracer gives (`create_graph_files.py`). */
import type { JsonObject } from "../../base/json.ts";
import type { GraphNode, PrunedGraph } from "./graph.ts";

export interface GraphLabels {
  slug: string;
  /** The model's name: `scan` there. */
  model: string;
  prompt: string;
  tokenName: (id: number) => string;
  nodeThreshold: number;
}

export function neuronpediaGraph(pruned: PrunedGraph, labels: GraphLabels): JsonObject {
  const { graph, nodes, edges, influence } = pruned;
  const idOf = (i: number): string => nodeId(graph.nodes[i] as GraphNode, graph.layers);
  return {
    metadata: {
      slug: labels.slug,
      scan: labels.model,
      prompt: labels.prompt,
      prompt_tokens: graph.ids.map(labels.tokenName),
      node_threshold: labels.nodeThreshold,
      schema_version: 1,
      generator: { name: "philab", url: "https://www.npmjs.com/package/philab" },
    },
    qParams: { linkType: "both", pinnedIds: [], clickedId: "", supernodes: [], sg_pos: "" },
    nodes: nodes.map((i) => {
      const node = graph.nodes[i] as GraphNode;
      return {
        node_id: idOf(i),
        ...fieldsOf(node, graph.layers, labels.tokenName),
        ctx_idx: positionOf(node, graph.ids.length),
        run_idx: 0,
        reverse_ctx_idx: 0,
        influence: influence[i] ?? null,
        activation: node.kind === "feature" ? node.activation : null,
      };
    }),
    links: edges.map(({ source, target, weight }) => ({
      source: idOf(source),
      target: idOf(target),
      weight,
    })),
  };
}

/** `layer_feature_position`, `E_token_position`; logits stand one layer behind the last. */
export function nodeId(node: GraphNode, layers: number): string {
  switch (node.kind) {
    case "feature":
      return `${node.layer}_${node.feature}_${node.position}`;
    case "error":
      return `0_${node.layer}_${node.position}_error`;
    case "token":
      return `E_${node.token}_${node.position}`;
    case "logit":
      return `${layers + 1}_${node.token}_logit`;
  }
}

function positionOf(node: GraphNode, length: number): number {
  return node.kind === "logit" ? length - 1 : node.position;
}

function fieldsOf(node: GraphNode, layers: number, tokenName: (id: number) => string): JsonObject {
  switch (node.kind) {
    case "feature":
      return {
        feature: pairOf(node.layer, node.feature),
        layer: String(node.layer),
        feature_type: "cross layer transcoder",
        jsNodeId: `${node.layer}_${node.feature}-0`,
        clerp: "",
        token_prob: 0,
        is_target_logit: false,
      };
    case "error":
      return {
        feature: -1,
        layer: String(node.layer),
        feature_type: "mlp reconstruction error",
        jsNodeId: `${node.layer}_${node.position}-0`,
        clerp: `Error of MLP ${node.layer} at ${node.position}`,
        token_prob: 0,
        is_target_logit: false,
      };
    case "token":
      return {
        feature: node.position,
        layer: "E",
        feature_type: "embedding",
        jsNodeId: `E_${node.token}-${node.position}`,
        clerp: `Emb: ${JSON.stringify(tokenName(node.token))}`,
        token_prob: 0,
        is_target_logit: false,
      };
    case "logit":
      return {
        feature: node.token,
        layer: String(layers + 1),
        feature_type: "logit",
        jsNodeId: `L_${node.token}-0`,
        clerp: `Output ${JSON.stringify(tokenName(node.token))} (p=${node.probability.toFixed(3)})`,
        token_prob: node.probability,
        is_target_logit: false,
      };
  }
}

/** Cantor's pairing: one number for layer and feature, as Neuronpedia has it. */
function pairOf(layer: number, feature: number): number {
  return ((layer + feature) * (layer + feature + 1)) / 2 + feature;
}
