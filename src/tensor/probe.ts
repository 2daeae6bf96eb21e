/**
 * Ceilings of this machine, measured with the engine itself: how fast weights can be read, and how fast matrices multiply.
 * Decoding is bounded by the first, reading prompts by the second.
 */
import type { Backend } from "../engine/backend.ts";
import type { DType } from "../engine/dtypes.ts";
import * as emit from "../engine/emit.ts";
import type { Arithmetic } from "../kernels/peak.ts";
import { Graph } from "./graph.ts";
import { matmulTransposed } from "./ops/index.ts";
import { TensorStore } from "./store.ts";
import type { Tensor } from "./tensor.ts";

export type { Arithmetic };

/**
 * Bytes per second of reading memory with all threads: a product of a large f32 matrix with one column, which reads every
 * value once.
 *
 * @param sizeBytes - of the matrix; far larger than the caches
 */
export async function readBandwidth(
  backend: Backend,
  { sizeBytes = 2 ** 29, repeats = 5 }: { sizeBytes?: number; repeats?: number } = {},
): Promise<number> {
  const columns = 4096;
  const rows = Math.floor(sizeBytes / 4 / columns);
  const seconds = await timeProduct(backend, { dtype: "f32", m: rows, k: columns, n: 1, repeats });
  return (rows * columns * 4) / seconds;
}

/**
 * Operations per second of multiplying and adding in registers alone, with all threads; undefined where none of our kernels does
 * this arithmetic.
 */
export async function arithmeticPeak(
  backend: Backend,
  arithmetic: Arithmetic,
  { repeats = 50 }: { repeats?: number } = {},
): Promise<number | undefined> {
  const peak = backend.kernels?.peak(arithmetic);
  if (peak === undefined) return undefined;
  using graph = new Graph(backend, { maxNodes: 8 });
  const x = graph.input("f32", [1]);
  const call = { name: "peak", kernel: peak.address, inputs: [x.pointer] };
  const made = { op: "peak", inputs: [x] };
  const pointer = graph.emit((c) => emit.kernelOperation(c, { ...call, dtype: "f32", shape: [1] }));
  graph.output(graph.result(pointer, { dtype: "f32", shape: [1], made }));
  graph.allocate();
  x.write(new Float32Array(1));
  const seconds = await fastest(graph, repeats);
  return (backend.threads * peak.operations) / seconds;
}

/** Floating-point operations per second of `[n, k] · [m, k]ᵀ` with weights of a type. */
export async function productSpeed(
  backend: Backend,
  {
    dtype,
    m = 2560,
    k = 2560,
    n = 512,
    repeats = 5,
  }: { dtype: DType; m?: number; k?: number; n?: number; repeats?: number },
): Promise<number> {
  return (2 * m * k * n) / (await timeProduct(backend, { dtype, m, k, n, repeats }));
}

/** Seconds of the fastest of several runs. */
async function timeProduct(
  backend: Backend,
  { dtype, m, k, n, repeats }: { dtype: DType; m: number; k: number; n: number; repeats: number },
): Promise<number> {
  using store = new TensorStore(1);
  const specs = [{ name: "weights", dtype, shape: [m, k] }];
  const [weights] = store.create(backend.bufferType, specs) as [Tensor];
  weights.clearRows(0, m);
  using graph = new Graph(backend, { maxNodes: 8 });
  const x = graph.input("f32", [n, k]);
  graph.output(matmulTransposed(x, weights));
  graph.allocate();
  x.write(new Float32Array(n * k));
  return await fastest(graph, repeats);
}

/** Seconds of the fastest of several runs, after one that does not count. */
async function fastest(graph: Graph, repeats: number): Promise<number> {
  let best = Infinity;
  for (let i = 0; i <= repeats; i++) {
    const start = performance.now();
    await graph.compute();
    if (i > 0) best = Math.min(best, performance.now() - start);
  }
  return best / 1000;
}
