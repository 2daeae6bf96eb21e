import { describe, expect, it } from "vitest";
import { testBackend } from "../../test/support/tensors.ts";
import { LabError } from "../base/errors.ts";
import { Backend } from "../engine/backend.ts";
import { Executor } from "../engine/executor.ts";
import { liveBytes } from "../engine/memory.ts";
import { Graph } from "./graph.ts";
import { TensorStore } from "./store.ts";
import type { Tensor } from "./tensor.ts";
import * as ops from "./ops/index.ts";

const backend = testBackend(2);

async function failure(promise: Promise<unknown>): Promise<LabError> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof LabError) return error;
    throw error;
  }
  throw new Error("did not fail");
}

/** A product that takes a while, in many parts. */
function longChain(graph: Graph): Tensor {
  const x = graph.input("f32", [192, 192]);
  let y = x;
  for (let i = 0; i < 800; i++) y = ops.scale(ops.matmulTransposed(y, x), 1 / 192);
  graph.output(y);
  graph.allocate();
  x.write(new Float32Array(192 * 192).fill(1));
  return y;
}

describe("a graph", () => {
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
      expect(liveBytes()).toBeGreaterThan(before);
    }
    expect(liveBytes()).toBe(before);
  });

  it("computes again with other inputs, and keeps inputs that are not written again", async () => {
    using graph = new Graph(backend);
    const x = graph.input("f32", [64]);
    const offset = graph.input("f32", [64]);
    let y = ops.add(x, offset);
    for (let i = 0; i < 5; i++) y = ops.scale(ops.relu(y), 2);
    graph.output(y);
    graph.allocate();
    offset.write(new Float32Array(64).fill(3));
    for (const value of [1, 2, 7]) {
      x.write(new Float32Array(64).fill(value));
      await graph.compute();
      expect(y.read()[63]).toBe(32 * (value + 3));
    }
    expect(offset.read()[0]).toBe(3);
  });

  it("keeps what an output view shows, though operations follow that could reuse the memory", async () => {
    using graph = new Graph(backend);
    const x = graph.input("f32", [8, 16]);
    const doubled = ops.scale(x, 2);
    const view = ops.slice(ops.reshape(doubled, [16, 8]), { axis: 0, start: 4, length: 8 });
    graph.output(view);
    let y = ops.exp(doubled);
    for (let i = 0; i < 8; i++) y = ops.relu(ops.scale(y, -1));
    graph.output(y);
    graph.allocate();
    x.write(Float32Array.from({ length: 128 }, (_, i) => i));
    await graph.compute();
    expect([...view.read()]).toEqual(Array.from({ length: 64 }, (_, i) => 2 * (i + 32)));
  });

  it("has memory for an input that nothing uses", async () => {
    using graph = new Graph(backend);
    const [x, unused] = [graph.input("f32", [2]), graph.input("i32", [3])];
    graph.output(ops.exp(x));
    graph.allocate();
    unused.write(Int32Array.of(1, 2, 3));
    await graph.compute();
    expect([...unused.readInts()]).toEqual([1, 2, 3]);
  });

  it("refuses operations beyond its bound, and weights beyond it, instead of ending the process", () => {
    using graph = new Graph(backend, { maxNodes: 8 });
    using store = new TensorStore(20);
    const weights = store.create(
      backend.bufferType,
      Array.from({ length: 20 }, (_, i) => ({ name: `w${i}`, dtype: "f32" as const, shape: [2] })),
    );
    let x = graph.input("f32", [2]);
    expect(() => {
      for (let i = 0; i < 20; i++) x = ops.exp(x);
    }).toThrow(/larger|arena/);
    expect(() => {
      for (const weight of weights) graph.use(weight);
    }).toThrow(/more weights/);
  });

  it("refuses operations and outputs after it was allocated, and a second allocation", () => {
    using graph = new Graph(backend);
    const x = graph.input("f32", [2]);
    const y = ops.exp(x);
    graph.output(y);
    graph.allocate();
    for (const call of [
      () => ops.exp(y),
      () => graph.output(x),
      () => {
        graph.allocate();
      },
    ])
      expect(call).toThrow(expect.objectContaining({ code: "internal" }));
  });

  it("refuses tensors of another graph, and weights without a graph", () => {
    using one = new Graph(backend);
    using other = new Graph(backend);
    using store = new TensorStore(1);
    const [w] = store.create(backend.bufferType, [{ name: "w", dtype: "f32", shape: [2] }]);
    const bad = expect.objectContaining({ code: "bad_input" }) as Error;
    expect(() => ops.add(one.input("f32", [2]), other.input("f32", [2]))).toThrow(bad);
    expect(() => ops.exp(w!)).toThrow(bad);
    expect(ops.exp(one.use(w!)).graph).toBe(one);
  });
});

describe("reading and writing", () => {
  it("refuses what has no memory, or memory that is used again", async () => {
    using executor = new Executor(backend);
    using graph = new Graph(backend, { executor });
    const x = graph.input("f32", [4]);
    const y = ops.exp(x);
    const z = ops.exp(y);
    graph.output(z);
    const bad = expect.objectContaining({ code: "bad_input" }) as Error;
    expect(() => x.write(new Float32Array(4))).toThrow(bad);
    graph.allocate();
    x.write(new Float32Array(4));
    await graph.compute();
    expect(z.read()[0]).toBeCloseTo(Math.E);
    expect(() => y.read()).toThrow(/graph\.output|not kept/);

    using next = new Graph(backend, { executor });
    next.output(ops.exp(next.input("f32", [4])));
    next.allocate();
    expect(() => z.read()).toThrow(bad);
    await expect(graph.compute()).rejects.toMatchObject({ code: "internal" });
  });

  it("refuses a freed graph's tensors", () => {
    const graph = new Graph(backend);
    const x = graph.input("f32", [4]);
    graph.output(x);
    graph.allocate();
    graph[Symbol.dispose]();
    graph[Symbol.dispose]();
    expect(() => x.read()).toThrow(expect.objectContaining({ code: "bad_input" }));
    expect(() => ops.exp(x)).toThrow(expect.objectContaining({ code: "internal" }));
  });

  it("refuses arrays of another length or another kind", () => {
    using graph = new Graph(backend);
    const [x, ids] = [graph.input("f32", [2, 2]), graph.input("i32", [2])];
    graph.allocate();
    const bad = expect.objectContaining({ code: "bad_input" }) as Error;
    expect(() => x.write(new Float32Array(3))).toThrow(bad);
    expect(() => x.write(new Int32Array(4))).toThrow(bad);
    expect(() => ids.write(new Float32Array(2))).toThrow(bad);
    expect(() => ids.write(new BigInt64Array(1))).toThrow(bad);
    expect(() => ids.readInts()).not.toThrow();
    expect(() => x.readInts()).toThrow(bad);
  });
});

describe("computing", () => {
  it("stops soon after an abort, and computes the next graph", async () => {
    using graph = new Graph(backend);
    const y = longChain(graph);
    const started = performance.now();
    await graph.compute();
    const whole = performance.now() - started;

    const controller = new AbortController();
    const interrupted = failure(graph.compute({ signal: controller.signal }));
    setTimeout(() => {
      controller.abort();
    }, whole / 20);
    const from = performance.now();
    expect((await interrupted).code).toBe("interrupted");
    expect(performance.now() - from).toBeLessThan(whole * 0.75 + 50);

    expect((await failure(graph.compute({ signal: AbortSignal.abort() }))).code).toBe(
      "interrupted",
    );
    await graph.compute();
    expect(Number.isFinite(y.read()[0])).toBe(true);
  });

  it("does one computation at a time per backend", async () => {
    using graph = new Graph(backend);
    using other = new Graph(backend);
    longChain(graph);
    longChain(other);
    const first = graph.compute();
    expect((await failure(graph.compute())).code).toBe("busy");
    expect((await failure(other.compute())).code).toBe("busy");
    await first;
    await other.compute();
  });

  it("says how long each operation takes, and computes the same on the way", async () => {
    using graph = new Graph(backend);
    const x = graph.input("f32", [2, 3]);
    const y = ops.scale(ops.matmulTransposed(ops.scale(x, 2), x), 0.5);
    graph.output(y);
    expect(() => graph.profile()).toThrow(/before it was allocated/);
    graph.allocate();
    x.write(Float32Array.of(1, 2, 3, 4, 5, 6));
    await graph.compute();
    const expected = y.read();
    x.write(new Float32Array(6));
    await graph.compute();
    x.write(Float32Array.of(1, 2, 3, 4, 5, 6));
    const times = graph.profile();
    expect(times.map(({ operation }) => operation.toUpperCase())).toEqual([
      "SCALE",
      "MUL_MAT",
      "SCALE",
    ]);
    expect(times[1]?.shapes.slice(0, 3).map((shape) => shape.slice(2))).toEqual([
      [2, 2],
      [2, 3],
      [2, 3],
    ]);
    expect(y.read()).toEqual(expected);
  });

  it("frees a graph, an executor and a backend that are disposed of while computing afterwards", async () => {
    const before = liveBytes();
    const own = new Backend({ threads: 2 });
    const executor = new Executor(own);
    const graph = new Graph(own, { executor });
    longChain(graph);
    const controller = new AbortController();
    const running = failure(graph.compute({ signal: controller.signal }));
    graph[Symbol.dispose]();
    executor[Symbol.dispose]();
    own[Symbol.dispose]();
    controller.abort();
    expect((await running).code).toBe("interrupted");
    expect(liveBytes()).toBe(before);
  });

  it("refuses to allocate a graph in memory that is being computed in", async () => {
    using executor = new Executor(backend);
    using graph = new Graph(backend, { executor });
    using next = new Graph(backend, { executor });
    longChain(graph);
    const running = graph.compute();
    expect(() => {
      longChain(next);
    }).toThrow(expect.objectContaining({ code: "busy" }));
    await running;
  });
});
