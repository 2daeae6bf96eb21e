/**
 * Layered graph: nodes in rows from below upwards, edges as wide as their weights. Pointer and arrow keys move over it, a click or
 * Enter keeps a node, whose strongest edges are then listed. `attachGraphs` makes it so; the studio draws with the same.
 */
import { visibleLine } from "../base/terminal.ts";
import { clipLabel, figure, px, type FigureText } from "./figure.ts";
import { layoutGraph, type LayoutOptions } from "./graph-layout.ts";
import { html, type Html } from "./html.ts";

/** Told apart by their shapes as well as by their colours. */
export type NodeKind = "main" | "other" | "rest" | "end";

export interface DrawnNode {
  id: string;
  column: number;
  row: number;
  /** A circle, a square, a small diamond, a wide box. */
  kind: NodeKind;
  /** What it is called where it is read out. */
  label: string;
  /** Written beside or in it; short. */
  text?: string;
  /** More lines on it. */
  details?: readonly string[];
  /** A group that it belongs to, from 1: a ring around it. */
  group?: number;
}

export interface DrawnEdge {
  source: string;
  target: string;
  weight: number;
}

export interface NodeGraphOptions extends FigureText {
  columns: readonly string[];
  rows: readonly string[];
  nodes: readonly DrawnNode[];
  edges: readonly DrawnEdge[];
  /** What a weight is: `logits`. */
  weightTitle: string;
  /** Edges that are drawn at most, the strongest. */
  maxEdges?: number;
  /** The node that is kept at first. */
  chosen?: string | undefined;
  /** Whether the kept node's edges are listed under the drawing, and a slider leaves out weak edges. Default true. */
  hasPanel?: boolean;
  layout?: Omit<LayoutOptions, "columns" | "rows">;
}

const MAX_EDGES = 400;
const MAX_COLUMN_NAME = 12;
const GROUPS = 6;

export function nodeGraph(options: NodeGraphOptions): Html {
  const { columns, rows, nodes, edges, weightTitle, maxEdges = MAX_EDGES } = options;
  const { title, description, chosen, hasPanel = true } = options;
  const index = new Map(nodes.map(({ id }, i) => [id, i]));
  const drawn = [...edges]
    .sort((a, b) => Math.abs(b.weight) - Math.abs(a.weight))
    .flatMap(({ source, target, weight }) => {
      const [from, to] = [index.get(source), index.get(target)];
      return from === undefined || to === undefined ? [] : [[from, to, weight] as const];
    })
    .slice(0, maxEdges);
  const layout = layoutGraph(nodes, {
    ...{ columns: columns.length, rows: rows.length, minWidth: 640 },
    ...options.layout,
  });
  const { at, width, height } = layout;
  const most = Math.max(...drawn.map(([, , weight]) => Math.abs(weight)), 1e-12);
  const plot = html`<svg
    viewBox="0 0 ${px(width)} ${px(height)}"
    width="${px(width)}"
    height="${px(height)}"
    class="network"
    role="img"
    aria-label="${title}"
  >
    <g class="grid">
      ${layout.rows.map(
        (y, r) =>
          html`<text class="tick" x="2" y="${px(y + 4)}">${clipLabel(rows[r] ?? "", 8)}</text>`,
      )}
      ${layout.columns.map(
        (x, c) =>
          html`<text class="tick" x="${px(x)}" y="${px(height - 8)}" text-anchor="middle"
            >${clipLabel(columns[c] ?? "", MAX_COLUMN_NAME)}</text
          >`,
      )}
    </g>
    ${[...drawn].reverse().map(([from, to, weight]) => {
      const [a, b] = [at[from], at[to]];
      if (a === undefined || b === undefined) return false;
      const middle = (a.y + b.y) / 2;
      return html`<path
        class="edge${weight < 0 && " minus"}"
        d="M${px(a.x)} ${px(a.y)}C${px(a.x)} ${px(middle)} ${px(b.x)} ${px(middle)} ${px(b.x)} ${px(b.y)}"
        stroke-width="${(0.6 + (3.4 * Math.abs(weight)) / most).toFixed(2)}"
      />`;
    })}
    ${nodes.map((node, i) => drawNode(node, at[i] ?? { x: 0, y: 0 }))}
  </svg>`;
  const called = (i: number): string => nodes[i]?.label ?? "";
  const left = edges.length - drawn.length;
  const table = {
    columns: ["source", "target", weightTitle],
    rows: drawn.map(([from, to, weight]) => [called(from), called(to), weight]),
  };
  const reading = {
    ...{ kind: "graph" as const, chosen: index.get(chosen ?? "") ?? -1 },
    nodes: nodes.map(({ id, column, row, label, details = [] }, i) => ({
      ...{ id, column, row, x: at[i]?.x ?? 0, y: at[i]?.y ?? 0 },
      ...{ label: visibleLine(label), details: details.map(visibleLine) },
    })),
    // In the order in which they are drawn.
    edges: [...drawn].reverse(),
  };
  return html`<div class="graph">
    ${
      hasPanel &&
      html`<label class="under"
        >strongest edges
        <input
          type="range"
          class="strongest"
          min="1"
          max="${drawn.length}"
          value="${drawn.length}"
        />
        <output class="count">${drawn.length}</output></label
      >`
    }
    ${figure(
      { title, description },
      {
        plot,
        reading,
        notes: left > 0 ? [`${left} weaker edges are not drawn.`] : [],
        table,
      },
    )}
    ${
      hasPanel &&
      html`<div class="kept" hidden>
        <h3></h3>
        <p class="note"></p>
        <div class="pair">
          <div>
            <p>reads from</p>
            <ul class="sources"></ul>
          </div>
          <div>
            <p>is read by</p>
            <ul class="targets"></ul>
          </div>
        </div>
      </div>`
    }
  </div>`;
}

function drawNode({ kind, text, group }: DrawnNode, { x, y }: { x: number; y: number }): Html {
  const ring = group === undefined ? "" : ` g${((group - 1) % GROUPS) + 1}`;
  const shape =
    kind === "main"
      ? html`<circle cx="${px(x)}" cy="${px(y)}" r="6" />`
      : kind === "rest"
        ? html`<path d="M${px(x)} ${px(y - 4)}l4 4l-4 4l-4 -4z" />`
        : kind === "other"
          ? html`<rect x="${px(x - 6)}" y="${px(y - 6)}" width="12" height="12" />`
          : html`<rect x="${px(x - 9)}" y="${px(y - 5)}" width="18" height="10" rx="3" />`;
  return html`<g class="node ${kind}${ring}"
    >${shape}${
      text !== undefined &&
      html`<text x="${px(x)}" y="${px(y + 17)}" text-anchor="middle">${clipLabel(text, 10)}</text>`
    }</g
  >`;
}
