import { afterAll, describe, expect, it, vi } from "vitest";
import { productOf, randomValues, type Values } from "../../../test/support/tensors.ts";
import { Backend } from "../../engine/backend.ts";
import { Graph } from "../graph.ts";
import type { Tensor } from "../tensor.ts";
import * as ops from "./index.ts";

/** A backend of two threads whose products run on these kernels. */
function backendWith(kernels: string): Backend {
  vi.stubEnv("PHILAB_KERNELS", kernels);
  const backend = new Backend({ device: "cpu", threads: 2 });
  vi.unstubAllEnvs();
  return backend;
}

const [own, ggml] = [backendWith(""), backendWith("ggml")];
afterAll(() => {
  own[Symbol.dispose]();
  ggml[Symbol.dispose]();
});

async function compute(
  backend: Backend,
  build: (...inputs: Tensor[]) => Tensor,
  inputs: readonly Values[],
): Promise<Float32Array> {
  using graph = new Graph(backend);
  const tensors = inputs.map(({ shape }) => graph.input("f32", shape));
  const result = ops.contiguous(build(...tensors));
  graph.output(result);
  graph.allocate();
  inputs.forEach(({ data }, i) => tensors[i]?.write(Float32Array.from(data)));
  await graph.compute();
  return result.read();
}

const largest = (found: Float32Array, wanted: ArrayLike<number>): number =>
  found.reduce((worst, v, i) => Math.max(worst, Math.abs(v - (wanted[i] ?? NaN))), 0);

describe("products on kernels of our own", () => {
  it("are those of ggml, in every arrangement", async () => {
    const [x, w] = [randomValues([2, 3, 37, 150], 1), randomValues([2, 1, 90, 150], 2)];
    const wanted = productOf(x, w).data;
    const builds: Record<string, (x: Tensor, w: Tensor) => Tensor> = {
      "x · wᵀ": ops.matmulTransposed,
      "x · w": (a, b) => ops.matmul(a, ops.contiguous(ops.transpose(b))),
      "xᵀ · wᵀ": (a, b) => ops.matmulTransposed(ops.transpose(ops.contiguous(ops.transpose(a))), b),
    };
    for (const [name, build] of Object.entries(builds))
      for (const backend of [own, ggml])
        expect(largest(await compute(backend, build, [x, w]), wanted), name).toBeLessThan(1e-4);
  });

  it("give a row the same bits in whatever batch", async () => {
    const w = randomValues([130, 600], 3);
    const x = randomValues([50, 600], 4);
    const all = await compute(own, ops.matmulTransposed, [x, w]);
    for (const [start, rows] of [
      [0, 1],
      [7, 5],
      [13, 37],
    ] as const) {
      const part = x.data.slice(600 * start, 600 * (start + rows));
      const some = await compute(own, ops.matmulTransposed, [
        { shape: [rows, 600], data: part },
        w,
      ]);
      expect(some).toEqual(all.slice(130 * start, 130 * (start + rows)));
    }
  });

  it("of bf16 weights are those of ggml, which rounds the rows to bf16, too", async () => {
    const build = (x: Tensor, w: Tensor): Tensor => ops.matmulTransposed(x, ops.cast(w, "bf16"));
    for (const [rows, columns, inner] of [
      [37, 90, 150],
      [1, 33, 600],
      [5, 1, 31],
    ] as const) {
      const [x, w] = [randomValues([rows, inner], 7), randomValues([columns, inner], 8)];
      const [a, b] = [await compute(own, build, [x, w]), await compute(ggml, build, [x, w])];
      expect(largest(a, b)).toBeLessThan(1e-3);
      expect(largest(a, productOf(x, w).data)).toBeGreaterThan(1e-4);
    }
  });

  it("leave to ggml what they do not take", async () => {
    // Neither axis of w has its values side by side.
    const build = (x: Tensor, w: Tensor): Tensor =>
      ops.matmulTransposed(x, ops.permute(w, [2, 0, 1]));
    const [x, w] = [randomValues([4, 9, 5], 5), randomValues([7, 5, 4], 6)];
    const [a, b] = [await compute(own, build, [x, w]), await compute(ggml, build, [x, w])];
    expect(largest(a, b)).toBeLessThan(1e-5);
  });
});
