import { expect, it } from "vitest";
import { Backend } from "../engine/backend.ts";
import { liveBytes } from "../engine/memory.ts";
import { Graph } from "./graph.ts";
import { TensorStore } from "./store.ts";
import * as ops from "./ops/index.ts";

it("computes a linear layer and gives its memory back", async () => {
  const before = liveBytes();
  {
    using backend = new Backend({ threads: 2 });
    using store = new TensorStore(4);
    const [w] = store.create(backend.bufferType, [{ name: "w", dtype: "f32", shape: [3, 2] }]);
    w!.write(Float32Array.of(1, 2, 3, 4, 5, 6));
    using graph = new Graph(backend);
    const x = graph.input("f32", [2, 2]);
    const y = ops.linear(x, w!);
    const z = ops.gelu(ops.transpose(y));
    graph.output(y, z);
    graph.allocate();
    x.write(Float32Array.of(1, 0, 0, 1));
    await graph.compute();
    expect([...y.read()]).toEqual([1, 3, 5, 2, 4, 6]);
    expect([...z.read()][0]).toBeCloseTo(0.841192, 5);
  }
  expect(liveBytes()).toBe(before);
});
