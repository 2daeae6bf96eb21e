import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { testBackend } from "../../test/support/tensors.ts";
import { liveBytes } from "../engine/memory.ts";
import { Graph } from "./graph.ts";
import { Optimizer } from "./optimizers.ts";
import { TensorStore } from "./store.ts";
import type { Tensor } from "./tensor.ts";
import type { OptimizerSettings } from "./update-rules.ts";

interface Run {
  shapes: Record<string, number[]>;
  start: Record<string, number[]>;
  gradients: Record<string, number[]>[];
  end: Record<string, number[]>;
}
const fixture = new URL("../../test/fixtures/optimizers.json", import.meta.url);
const runs = (JSON.parse(readFileSync(fixture, "utf8")) as { optimizers: Record<string, Run> })
  .optimizers;

const SETTINGS: Record<string, { learningRate: number; settings: OptimizerSettings }> = {
  adamw: {
    learningRate: 0.01,
    settings: { optimizer: "adamw", betas: [0.9, 0.98], eps: 1e-7, weightDecay: 0.1 },
  },
  sgd: { learningRate: 0.1, settings: { optimizer: "sgd" } },
  "sgd with decay": { learningRate: 0.1, settings: { optimizer: "sgd", weightDecay: 0.2 } },
  "sgd with momentum": {
    learningRate: 0.1,
    settings: { optimizer: "sgd", momentum: 0.8, weightDecay: 0.2 },
  },
  "sgd with nesterov": {
    learningRate: 0.1,
    settings: { optimizer: "sgd", momentum: 0.8, nesterov: true },
  },
  muon: { learningRate: 0.05, settings: { optimizer: "muon" } },
  "muon matched": {
    learningRate: 0.05,
    settings: { optimizer: "muon", nesterov: false, adjustLearningRate: "match_rms_adamw" },
  },
};

const backend = testBackend();

function parameters(shapes: Record<string, number[]>): {
  store: TensorStore;
  tensors: Record<string, Tensor>;
} {
  const names = Object.keys(shapes);
  const store = new TensorStore(names.length);
  const specs = names.map((name) => ({ name, dtype: "f32" as const, shape: shapes[name]! }));
  const created = store.create(backend.bufferType, specs);
  return { store, tensors: Object.fromEntries(names.map((name, i) => [name, created[i]!])) };
}

/** Adds given gradients, through a graph as a backward pass would. */
async function give(optimizer: Optimizer, gradients: Record<string, number[]>): Promise<void> {
  using graph = new Graph(backend);
  const inputs = optimizer.parameters.map((p) => graph.input("f32", p.shape));
  optimizer.accumulate(inputs);
  graph.allocate();
  optimizer.parameters.forEach((p, i) => inputs[i]?.write(Float32Array.from(gradients[p.name!]!)));
  await graph.compute();
}

describe("a step", () => {
  for (const [name, run] of Object.entries(runs))
    it(`of ${name} moves parameters to where PyTorch's goes`, async () => {
      const { store, tensors } = parameters(run.shapes);
      using _ = store;
      for (const [key, values] of Object.entries(run.start))
        tensors[key]?.write(Float32Array.from(values));
      using optimizer = new Optimizer(backend, [
        { parameters: Object.values(tensors), ...SETTINGS[name]! },
      ]);
      for (const gradients of run.gradients) {
        await give(optimizer, gradients);
        await optimizer.step();
      }
      expect(optimizer.steps).toBe(run.gradients.length);
      for (const [key, wanted] of Object.entries(run.end)) {
        const found = tensors[key]!.read();
        wanted.forEach((value, i) => {
          expect(Math.abs((found[i] ?? NaN) - value), `${key}[${i}]`).toBeLessThan(2e-5);
        });
      }
    });

  it("takes the sum of the gradients of several parts, once", async () => {
    const { store, tensors } = parameters({ w: [2] });
    using _ = store;
    tensors["w"]!.write(Float32Array.of(1, 1));
    const settings = { optimizer: "sgd" } as const;
    using optimizer = new Optimizer(backend, [
      { parameters: [tensors["w"]!], learningRate: 1, settings },
    ]);
    await give(optimizer, { w: [0.25, 0] });
    await give(optimizer, { w: [0.25, -1] });
    await optimizer.step();
    expect([...tensors["w"]!.read()]).toEqual([0.5, 2]);
    await optimizer.step();
    expect([...tensors["w"]!.read()]).toEqual([0.5, 2]);
    await give(optimizer, { w: [8, 8] });
    optimizer.discard();
    await optimizer.step();
    expect([...tensors["w"]!.read()]).toEqual([0.5, 2]);
  });

  it("shrinks gradients to the largest norm that is allowed, all by the same factor", async () => {
    const { store, tensors } = parameters({ a: [1, 2], b: [2, 1] });
    using _ = store;
    for (const tensor of Object.values(tensors)) tensor.write(new Float32Array(2));
    const settings = { optimizer: "sgd" } as const;
    using optimizer = new Optimizer(backend, [
      { parameters: [tensors["a"]!], learningRate: 1, settings },
      { parameters: [tensors["b"]!], learningRate: 10, settings },
    ]);
    await give(optimizer, { a: [2, 4], b: [4, 8] });
    const { gradientNorm, clip } = await optimizer.step({ maxNorm: 1, factor: 0.5 });
    expect(gradientNorm).toBeCloseTo(10, 5);
    expect(clip).toBeCloseTo(0.1, 6);
    expect(tensors["a"]!.read()[1]).toBeCloseTo(-0.2, 5);
    expect(tensors["b"]!.read()[1]).toBeCloseTo(-4, 5);
    await give(optimizer, { a: [0, 0], b: [0, 0.5] });
    expect((await optimizer.step({ maxNorm: 1 })).clip).toBe(1);
  });

  it("with a gradient that is no number changes nothing and names the parameter", async () => {
    for (const wrong of [NaN, Infinity]) {
      const { store, tensors } = parameters({ good: [2], bad: [2, 2] });
      using _ = store;
      for (const tensor of Object.values(tensors))
        tensor.write(new Float32Array(tensor.size).fill(3));
      const settings = { optimizer: "adamw" } as const;
      using optimizer = new Optimizer(backend, [
        { parameters: Object.values(tensors), learningRate: 1, settings },
      ]);
      await give(optimizer, { good: [1, 1], bad: [0, wrong, 0, 0] });
      await expect(optimizer.step()).rejects.toMatchObject({
        code: "check_failed",
        message: expect.stringMatching(/gradient of bad is not finite in step 1/) as string,
      });
      expect([...tensors["good"]!.read()]).toEqual([3, 3]);
      optimizer.discard();
      await give(optimizer, { good: [1, 1], bad: [0, 0, 0, 0] });
      expect((await optimizer.step()).step).toBe(1);
    }
  });
});

describe("an optimiser", () => {
  it("continues from its state as if it had not stopped", async () => {
    const run = runs["adamw"]!;
    const finish = async (pauseAfter?: number): Promise<Float32Array[]> => {
      const { store, tensors } = parameters(run.shapes);
      using _ = store;
      for (const [key, values] of Object.entries(run.start))
        tensors[key]?.write(Float32Array.from(values));
      const group = { parameters: Object.values(tensors), ...SETTINGS["adamw"]! };
      let optimizer = new Optimizer(backend, [group]);
      for (const [i, gradients] of run.gradients.entries()) {
        if (i === pauseAfter) {
          const saved = [...optimizer.state].map(([key, tensor]) => [key, tensor.read()] as const);
          const { steps } = optimizer;
          optimizer[Symbol.dispose]();
          optimizer = new Optimizer(backend, [group]);
          for (const [key, values] of saved) optimizer.state.get(key)?.write(values);
          optimizer.steps = steps;
        }
        await give(optimizer, gradients);
        await optimizer.step();
      }
      optimizer[Symbol.dispose]();
      return Object.values(tensors).map((tensor) => tensor.read());
    };
    expect(await finish(3)).toEqual(await finish());
  });

  it("gives its memory back", () => {
    const { store, tensors } = parameters({ w: [4, 4] });
    using _ = store;
    const before = liveBytes();
    const settings = { optimizer: "muon" } as const;
    const optimizer = new Optimizer(backend, [
      { parameters: [tensors["w"]!], learningRate: 1, settings },
    ]);
    expect(liveBytes()).toBeGreaterThan(before);
    optimizer[Symbol.dispose]();
    expect(liveBytes()).toBe(before);
  });

  it("refuses what cannot be trained", () => {
    const { store, tensors } = parameters({ w: [4, 4], bias: [4] });
    using _ = store;
    using graph = new Graph(backend);
    const adamw = { optimizer: "adamw" } as const;
    const group = (parameters: Tensor[], settings: OptimizerSettings = adamw) => ({
      parameters,
      learningRate: 1,
      settings,
    });
    const bad = expect.objectContaining({ code: "bad_input" }) as Error;
    const [w, bias] = [tensors["w"]!, tensors["bias"]!];
    expect(() => new Optimizer(backend, [group([w]), group([w])])).toThrow(bad);
    expect(() => new Optimizer(backend, [group([bias], { optimizer: "muon" })])).toThrow(bad);
    expect(() => new Optimizer(backend, [group([graph.input("f32", [2])])])).toThrow(bad);
    using optimizer = new Optimizer(backend, [group([w])]);
    expect(() => {
      optimizer.accumulate([]);
    }).toThrow(bad);
    expect(() => {
      optimizer.accumulate([graph.input("f32", [4])]);
    }).toThrow(bad);
    expect(() => {
      optimizer.steps = -1;
    }).toThrow(bad);
  });
});
