/**
 * f32 products of philab behind JSON lines, from the build in `dist/`; PHILAB_KERNELS says by which kernels.
 *
 *   open      { n, k, m, count, arrangement, threads }   random operands, and a graph of `count` products
 *   multiply  {}                                         → { ms }, the faster of two
 */
import { performance } from "node:perf_hooks";
import { Backend } from "../../dist/engine/backend.js";
import { Graph } from "../../dist/tensor/graph.js";
import { matmulTransposed, transpose } from "../../dist/tensor/ops/index.js";
import { serve } from "./json-lines.mjs";

let backend;
let graph;

async function open({ n, k, m, count, arrangement, threads }) {
  backend ??= new Backend({ device: "cpu", threads });
  graph?.[Symbol.dispose]();
  graph = new Graph(backend);
  const a = graph.input("f32", arrangement[0] === "N" ? [n, k] : [k, n]);
  const b = graph.input("f32", arrangement[1] === "N" ? [k, m] : [m, k]);
  const x = arrangement[0] === "N" ? a : transpose(a);
  const w = arrangement[1] === "N" ? transpose(b) : b;
  for (let i = 0; i < count; i++) graph.require(matmulTransposed(x, w));
  graph.allocate();
  for (const tensor of [a, b])
    tensor.write(Float32Array.from({ length: tensor.size }, () => Math.random() - 0.5));
  await graph.compute();
  return {};
}

async function multiply() {
  let ms = Infinity;
  for (let i = 0; i < 2; i++) {
    const started = performance.now();
    await graph.compute();
    ms = Math.min(ms, performance.now() - started);
  }
  return { ms };
}

await serve({ open, multiply });
