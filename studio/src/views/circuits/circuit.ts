/** A circuit as a drawing: parts by layer, and the strongest of the edges between two of them. */
import { formatNumber } from "../../../../src/base/format.ts";
import type { DrawnEdge, DrawnNode } from "../../../../src/report/node-graph.ts";
import type { CircuitFile } from "../../api/features.ts";

export interface CircuitEdge {
  source: string;
  /** The part that reads. */
  target: string;
  /** `q`, `k`, `v`; "" of an MLP and the logits. */
  port: string;
  effect: number;
}

/** `a0.h1->a2.h3<k>`: from a0.h1 to the keys of a2.h3. */
export function parseEdges(edges: CircuitFile["edges"]): CircuitEdge[] {
  return edges.map(({ edge, effect }) => {
    const [source = "", to = ""] = edge.split("->");
    const [, target = to, port = ""] = /^(.*?)(?:<(.)>)?$/.exec(to) ?? [];
    // Without effects all are alike, and carry the answer.
    return { source, target, port, effect: effect ?? -1 };
  });
}

interface Place {
  layer: number;
  /** −1 for an MLP. */
  head: number;
}

function placeOf(part: string): Place | undefined {
  const [, layer, head] = /^a(\d+)\.h(\d+)$/.exec(part) ?? [];
  if (layer !== undefined) return { layer: Number(layer), head: Number(head) };
  const [, mlp] = /^m(\d+)$/.exec(part) ?? [];
  return mlp === undefined ? undefined : { layer: Number(mlp), head: -1 };
}

/** `L1H0`, as Inspect's address has it; undefined for what is no head. */
export function headName(part: string): string | undefined {
  const place = placeOf(part);
  return place === undefined || place.head < 0 ? undefined : `L${place.layer}H${place.head}`;
}

export function partName(part: string): string {
  const place = placeOf(part);
  if (place === undefined) return part;
  return place.head < 0 ? `MLP ${place.layer}` : `L${place.layer}H${place.head}`;
}

export interface CircuitDrawing {
  columns: string[];
  rows: string[];
  nodes: DrawnNode[];
  edges: DrawnEdge[];
}

/** Columns are heads and the MLP, rows the input, the layers and the logits. */
export function drawCircuit(edges: readonly CircuitEdge[]): CircuitDrawing {
  const parts = [...new Set(["input", "logits", ...edges.flatMap((e) => [e.source, e.target])])];
  const places = parts.flatMap((part) => placeOf(part) ?? []);
  const heads = Math.max(0, ...places.map(({ head }) => head + 1));
  const layers = Math.max(0, ...places.map(({ layer }) => layer + 1));
  const middle = Math.floor(heads / 2);
  const nodes = parts.map((part): DrawnNode => {
    const place = placeOf(part);
    const [heard, hears] = [
      edges.filter(({ source }) => source === part),
      edges.filter(({ target }) => target === part),
    ];
    const details = [`reads ${hears.length} edges, is read by ${heard.length}`];
    if (place === undefined)
      return {
        ...{ id: part, kind: "end", label: part, text: part, details, column: middle },
        row: part === "input" ? 0 : layers + 1,
      };
    return {
      ...{ id: part, label: partName(part), details, row: place.layer + 1 },
      kind: place.head < 0 ? "other" : "main",
      column: place.head < 0 ? heads : place.head,
    };
  });
  const strongest = new Map<string, DrawnEdge>();
  for (const { source, target, effect } of edges) {
    const key = `${source} ${target}`;
    if (Math.abs(effect) > Math.abs(strongest.get(key)?.weight ?? 0))
      // An effect is what the answer gains without the edge.
      strongest.set(key, { source, target, weight: -effect });
  }
  return {
    columns: [...Array.from({ length: heads }, (_, head) => `head ${head}`), "MLP"],
    rows: ["input", ...Array.from({ length: layers }, (_, layer) => `L${layer}`), "logits"],
    nodes,
    edges: [...strongest.values()],
  };
}

/** Sizes at which a circuit is measured: by factors of two up to all of it. */
export function sizesOf(edges: number): number[] {
  const sizes: number[] = [];
  for (let size = 1; size < edges; size *= 2) sizes.push(size);
  return [...sizes, edges];
}

export function edgeText({ port, effect }: CircuitEdge): string {
  return `${port === "" ? "" : `${{ q: "queries", k: "keys", v: "values" }[port] ?? port} `}${formatNumber(effect, 3)}`;
}
