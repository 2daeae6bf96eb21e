import { expect, it } from "vitest";
import { drawCircuit, edgeText, headName, parseEdges, sizesOf } from "./circuit.ts";

const edges = parseEdges([
  { edge: "input->a0.h1<q>", effect: 0.5 },
  { edge: "input->a0.h1<k>", effect: -2 },
  { edge: "a0.h1->m1", effect: 1 },
  { edge: "m1->logits", effect: null },
]);

it("reads EAP-IG's names of edges", () => {
  expect(edges[1]).toEqual({ source: "input", target: "a0.h1", port: "k", effect: -2 });
  expect(edges[3]).toMatchObject({ source: "m1", target: "logits", port: "" });
  expect(edges.map(edgeText)[1]).toMatch(/^keys/);
  expect(headName("a0.h1")).toBe("L0H1");
  expect(headName("m1")).toBeUndefined();
});

it("stands parts by layer, and draws the strongest of the edges between two of them", () => {
  const { nodes, edges: drawn, rows, columns } = drawCircuit(edges);
  const of = (id: string) => nodes.find((node) => node.id === id);
  expect(of("input")?.row).toBe(0);
  expect(of("a0.h1")).toMatchObject({ row: 1, column: 1 });
  expect(of("m1")).toMatchObject({ row: 2, column: columns.length - 1 });
  expect(of("logits")?.row).toBe(rows.length - 1);
  expect(drawn.find(({ target }) => target === "a0.h1")?.weight).toBe(2);
});

it("measures at sizes up to the whole", () => {
  expect(sizesOf(9)).toEqual([1, 2, 4, 8, 9]);
  expect(sizesOf(1)).toEqual([1]);
});
