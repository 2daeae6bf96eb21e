/** The page of an attribution graph: a drawing from the prompt up to the logits, what counts most, and what interventions found. */
import { formatNumber, formatPercent } from "../../base/format.ts";
import { barChart } from "../../report/bar-chart.ts";
import { visibleTokenText } from "../../report/figure.ts";
import { html, type Html } from "../../report/html.ts";
import { layeredGraph, type LayeredNode } from "../../report/layered-graph.ts";
import { page, section } from "../../report/page.ts";
import type { GraphNode, PrunedGraph } from "../attribution/graph.ts";
import type { GraphCheck } from "../attribution/interventions.ts";

const LISTED = 15;

export interface GraphPageInput {
  title: string;
  facts: readonly (readonly [name: string, value: string])[];
  pruned: PrunedGraph;
  check: GraphCheck | undefined;
  tokenName: (id: number) => string;
}

export function graphPage({ title, facts, pruned, check, tokenName }: GraphPageInput): string {
  const { graph, nodes, edges, influence } = pruned;
  const name = (i: number): string => nodeName(graph.nodes[i] as GraphNode, tokenName);
  const inner = nodes
    .filter((i) => ["feature", "error"].includes(graph.nodes[i]?.kind ?? ""))
    .sort((a, b) => (influence[b] as number) - (influence[a] as number));
  const strongest = [...edges].sort((a, b) => Math.abs(b.weight) - Math.abs(a.weight));
  const body = html`${section("The graph", drawing(pruned, { check, name, tokenName }))}
  ${section(
    "What counts most",
    barChart({
      title: "Features and errors by their influence on the logits.",
      x: { title: "influence" },
      bars: inner.slice(0, LISTED).map((i) => ({
        label: name(i),
        value: influence[i] as number,
        muted: graph.nodes[i]?.kind === "error",
      })),
    }),
    barChart({
      title: "The strongest edges.",
      x: { title: "weight" },
      bars: strongest.slice(0, LISTED).map(({ source, target, weight }) => ({
        label: `${name(source)} → ${name(target)}`,
        value: weight,
      })),
    }),
  )}
  ${check !== undefined && checkSection(check, name)}`;
  return page({ title, facts, body });
}

function checkSection({ top, random, agreement }: GraphCheck, name: (i: number) => string): Html {
  return section(
    "Interventions",
    html`<p>
      Each feature is taken out at its position, and everything after it computed anew. Of the top
      ones ${formatPercent(agreement)} change the likeliest token's logit the way the graph says.
    </p>`,
    barChart({
      title: "What the likeliest token's logit changes by without a feature.",
      description:
        "Found in the model; what the graph says stands beside it. Random features are muted.",
      x: { title: "logit" },
      bars: [
        ...top.map((own) => ({ ...own, muted: false })),
        ...random.map((own) => ({ ...own, muted: true })),
      ].map(({ node, found, predicted, muted }) => ({
        ...{ label: name(node), value: found, muted },
        note: `the graph says ${formatNumber(predicted, 3)}`,
      })),
    }),
  );
}

function nodeName(node: GraphNode, tokenName: (id: number) => string): string {
  switch (node.kind) {
    case "feature":
      return `L${node.layer} F${node.feature} at ${node.position}`;
    case "error":
      return `error L${node.layer} at ${node.position}`;
    case "token":
      return `${node.position} ${visibleTokenText(tokenName(node.token))}`;
    case "logit":
      return `${visibleTokenText(tokenName(node.token))} ${formatPercent(node.probability)}`;
  }
}

function drawing(
  { graph, nodes, edges, influence }: PrunedGraph,
  {
    check,
    name,
    tokenName,
  }: {
    check: GraphCheck | undefined;
    name: (i: number) => string;
    tokenName: (id: number) => string;
  },
): Html {
  const { ids, layers } = graph;
  const found = new Map([...(check?.top ?? []), ...(check?.random ?? [])].map((o) => [o.node, o]));
  const drawn = nodes.map((i): LayeredNode => {
    const node = graph.nodes[i] as GraphNode;
    const taken = found.get(i);
    const details = [
      `influence ${formatNumber(influence[i] as number, 3)}`,
      ...(node.kind === "feature" ? [`activation ${formatNumber(node.activation, 3)}`] : []),
      ...(taken === undefined
        ? []
        : [
            `taken out, the logit changes by ${formatNumber(taken.found, 3)}; the graph says ${formatNumber(taken.predicted, 3)}`,
          ]),
    ];
    return {
      ...{ id: String(i), kind: node.kind, label: name(i), details },
      layer: "layer" in node ? node.layer : 0,
      position: node.kind === "logit" ? ids.length - 1 : node.position,
      ...(node.kind === "logit" ? { text: visibleTokenText(tokenName(node.token)) } : {}),
    };
  });
  return layeredGraph({
    tokens: ids.map((id) => visibleTokenText(tokenName(id))),
    ...{ layers, nodes: drawn },
    edges: edges.map(({ source, target, weight }) => ({
      ...{ source: String(source), target: String(target), weight },
    })),
  });
}
