/** How an attribution graph is drawn, on pages and in the studio alike: tokens from left to right, layers from below upwards. */
import type { Html } from "./html.ts";
import { nodeGraph, type DrawnEdge, type NodeGraphOptions, type NodeKind } from "./node-graph.ts";

/** A node of an attribution graph, as its page and the server say it. */
export interface LayeredNode {
  id: string;
  kind: "feature" | "error" | "token" | "logit";
  /** Of features and errors. */
  layer: number;
  /** Which token it stands at. */
  position: number;
  label: string;
  details?: readonly string[];
  text?: string;
  group?: number;
}

export interface LayeredGraph {
  tokens: readonly string[];
  layers: number;
  nodes: readonly LayeredNode[];
  edges: readonly DrawnEdge[];
}

const SHAPES: Record<LayeredNode["kind"], NodeKind> = {
  feature: "main",
  error: "rest",
  token: "other",
  logit: "end",
};

export function layeredGraph(
  { tokens, layers, nodes, edges }: LayeredGraph,
  more: Pick<NodeGraphOptions, "chosen" | "hasPanel" | "maxEdges"> = {},
): Html {
  const rowOf = ({ kind, layer }: LayeredNode): number =>
    kind === "token" ? 0 : kind === "logit" ? layers + 1 : layer + 1;
  return nodeGraph({
    title: "Who tells whom.",
    description:
      "Tokens below, logits above. A line is as wide as its weight, broken where it is negative. Circles are features, diamonds what the transcoders leave out.",
    columns: tokens,
    rows: ["tokens", ...Array.from({ length: layers }, (_, layer) => `L${layer}`), "logits"],
    nodes: nodes.map(({ id, kind, position, label, details, text, group, layer }) => ({
      ...{ id, label, column: position, row: rowOf({ id, kind, position, label, layer }) },
      kind: SHAPES[kind],
      ...(details === undefined ? {} : { details }),
      ...(text === undefined ? {} : { text }),
      ...(group === undefined ? {} : { group }),
    })),
    edges,
    weightTitle: "weight",
    layout: { rowGap: 44 },
    ...more,
  });
}
