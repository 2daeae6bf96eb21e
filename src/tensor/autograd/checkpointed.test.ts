import { expect, it } from "vitest";
import { testBackend } from "../../../test/support/tensors.ts";
import { Random } from "../../base/random.ts";
import { Graph } from "../graph.ts";
import * as ops from "../ops/index.ts";
import { TensorStore } from "../store.ts";
import type { Tensor } from "../tensor.ts";
import { checkpointed } from "./checkpointed.ts";
import { gradients } from "./gradients.ts";

const backend = testBackend();
const [rows, width, depth] = [256, 32, 12];

/** Gradients of a chain of residual blocks with respect to all weights and the input. */
async function chain(recompute: boolean): Promise<{ values: Float32Array[]; sizeBytes: number }> {
  using store = new TensorStore(2 * depth);
  const specs = Array.from({ length: 2 * depth }, (_, i) => ({
    name: `w${i}`,
    dtype: "f32" as const,
    shape: i % 2 === 0 ? [4 * width, width] : [width, 4 * width],
  }));
  const weights = store.create(backend.bufferType, specs);
  const random = new Random(1);
  const draw = (t: Tensor): void => {
    t.write(Float32Array.from({ length: t.size }, () => random.normal({ standardDeviation: 0.2 })));
  };
  weights.forEach(draw);
  using graph = new Graph(backend);
  const x = graph.input("f32", [rows, width]);
  const offset = ops.scale(x, 0.5); // taken into every block from outside
  let y = x;
  for (let l = 0; l < depth; l++) {
    const block = (t: Tensor): Tensor => {
      const inner = ops.gelu(ops.matmulTransposed(ops.standardize(t, 1e-5), weights[2 * l]!));
      return ops.add(ops.add(t, offset), ops.matmulTransposed(inner, weights[2 * l + 1]!));
    };
    y = (recompute ? checkpointed(block) : block)(y);
  }
  const found = gradients(ops.sumAll(ops.sqr(y)), [x, ...weights]);
  graph.output(...found);
  graph.allocate();
  draw(x);
  await graph.compute();
  return { values: found.map((t) => t.read()), sizeBytes: graph.executor.sizeBytes };
}

it("gives the same gradients to the bit, in less memory", async () => {
  const kept = await chain(false);
  const again = await chain(true);
  expect(again.values).toEqual(kept.values);
  expect(again.sizeBytes).toBeLessThan(0.6 * kept.sizeBytes);
});

it("lets nothing inside it be differentiated by, instead of calling that gradient 0", () => {
  using graph = new Graph(backend);
  const x = graph.input("f32", [4]);
  let inside: Tensor = x;
  const y = checkpointed((t) => ops.sqr((inside = ops.exp(t))))(x);
  expect(() => gradients(ops.sumAll(y), [inside])).toThrow(/inside a checkpointed block/);
  expect(gradients(ops.sumAll(y), [x, y])).toHaveLength(2);
});

it("leaves a block that returns its input alone", () => {
  using graph = new Graph(backend);
  const x = graph.input("f32", [4]);
  expect(checkpointed((t) => t)(x)).toBe(x);
});
