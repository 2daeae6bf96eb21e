/** The page of an attribution graph: a drawing from the prompt up to the logits, what counts most, and what interventions found. */
import { formatNumber, formatPercent } from "../../base/format.ts";
import { barChart } from "../../report/bar-chart.ts";
import { figure, visibleTokenText } from "../../report/figure.ts";
import { html, type Html } from "../../report/html.ts";
import { page, section } from "../../report/page.ts";
import type { GraphNode, PrunedGraph } from "../attribution/graph.ts";
import type { GraphCheck } from "../attribution/interventions.ts";

const COLUMN = 96;
const ROW = 74;
const MARGIN = { left: 44, top: 24, bottom: 30 };
const SHOWN_EDGES = 300;
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
  const body = html`${section("The graph", drawing(pruned, { name, tokenName }))}
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

/** Positions from left to right, layers from below upwards. */
function drawing(
  { graph, nodes, edges }: PrunedGraph,
  { name, tokenName }: { name: (i: number) => string; tokenName: (id: number) => string },
): Html {
  const { ids, layers } = graph;
  const width = MARGIN.left + COLUMN * ids.length + 8;
  const height = MARGIN.top + ROW * (layers + 2) + MARGIN.bottom;
  const cells = new Map<string, number[]>();
  for (const i of nodes) {
    const node = graph.nodes[i] as GraphNode;
    const position = node.kind === "logit" ? ids.length - 1 : node.position;
    const level = node.kind === "token" ? 0 : node.kind === "logit" ? layers + 1 : node.layer + 1;
    const key = `${position} ${level}`;
    cells.set(key, [...(cells.get(key) ?? []), i]);
  }
  const at = new Map<number, { x: number; y: number }>();
  for (const [key, own] of cells) {
    const [position = 0, level = 0] = key.split(" ").map(Number);
    own.forEach((i, n) => {
      const share = (n + 1) / (own.length + 1);
      at.set(i, {
        x: MARGIN.left + COLUMN * (position + share),
        y: MARGIN.top + ROW * (layers + 1 - level) + ROW / 2 + (n % 2 === 0 ? 0 : 9),
      });
    });
  }
  const most = Math.max(...edges.map(({ weight }) => Math.abs(weight)), 1e-9);
  const drawn = [...edges]
    .sort((a, b) => Math.abs(b.weight) - Math.abs(a.weight))
    .slice(0, SHOWN_EDGES);
  const place = (value: number): string => value.toFixed(1);
  const plot = html`<svg
    viewBox="0 0 ${width} ${height}"
    style="width:${width}px;min-width:30rem"
    role="img"
    aria-label="Attribution graph"
  >
    ${drawn.map(({ source, target, weight }) => {
      const [from, to] = [at.get(source), at.get(target)];
      return (
        from !== undefined &&
        to !== undefined &&
        html`<line
          x1="${place(from.x)}"
          y1="${place(from.y)}"
          x2="${place(to.x)}"
          y2="${place(to.y)}"
          stroke="${weight > 0 ? "var(--series1)" : "var(--series2)"}"
          stroke-width="${(0.4 + (2.6 * Math.abs(weight)) / most).toFixed(2)}"
          stroke-opacity="0.55"
        >
          <title>${name(source)} → ${name(target)}: ${formatNumber(weight, 3)}</title>
        </line>`
      );
    })}
    ${[...at].map(([i, { x, y }]) => {
      const kind = graph.nodes[i]?.kind;
      return html`<circle
        cx="${place(x)}"
        cy="${place(y)}"
        r="${kind === "error" ? 3 : 5}"
        fill="${kind === "error" ? "var(--muted)" : "var(--series3)"}"
      >
        <title>${name(i)}</title>
      </circle>`;
    })}
    ${ids.map(
      (id, position) =>
        html`<text
          x="${place(MARGIN.left + COLUMN * (position + 0.5))}"
          y="${height - 8}"
          text-anchor="middle"
        >
          ${visibleTokenText(tokenName(id)).slice(0, 12)}
        </text>`,
    )}
    ${Array.from(
      { length: layers },
      (_, layer) =>
        html`<text x="4" y="${place(MARGIN.top + ROW * (layers - layer) + ROW / 2)}"
          >L${layer}</text
        >`,
    )}
  </svg>`;
  return figure(
    {
      title: "Who tells whom.",
      description:
        "Tokens below, logits above; a line is as wide as its weight. Errors, what transcoders leave out, are small.",
    },
    {
      plot,
      table: {
        columns: ["source", "target", "weight"],
        rows: drawn.map(({ source, target, weight }) => [name(source), name(target), weight]),
      },
    },
  );
}
