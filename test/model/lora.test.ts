import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openCheckpoint } from "../../src/checkpoint/index.ts";
import { Backend } from "../../src/engine/backend.ts";
import { loraConfig } from "../../src/model/adapter-config.ts";
import { openAdapter } from "../../src/model/adapter-file.ts";
import { mergeAdapter } from "../../src/model/adapter-merge.ts";
import { fitAdapter } from "../../src/model/adapter-source.ts";
import { Adapter, planAdapter } from "../../src/model/adapter.ts";
import { configFromJson } from "../../src/model/config.ts";
import { withAdapter } from "../../src/model/lora.ts";
import { quantizeModel } from "../../src/model/quantize.ts";
import { gradients } from "../../src/tensor/autograd/gradients.ts";
import { Graph } from "../../src/tensor/graph.ts";
import { fixture, maxDifference, readFixture, readTensors } from "../support/golden.ts";
import { ADAPTERS, ids, logitsOf, openMini, peftLogits } from "../support/peft.ts";
import { trainableWeights, trainingLoss } from "../support/training.ts";

const config = configFromJson(readFixture("phi-mini/config.json"), "phi-mini");
const adapterPath = (name: string) => fixture(`peft/${name}`);
const fromPeft = async (name: string) => fitAdapter(await openAdapter(adapterPath(name)), config);
const legacy = ["mixformer", "phi-msft", "interim"].map((layout) => `phi-mini-legacy/${layout}`);

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "philab-lora-"));
});
afterEach(() => rm(directory, { recursive: true, force: true }));
const at = (name: string) => join(directory, name);

describe("a model under an adapter", () => {
  for (const layout of ["phi-mini", ...legacy])
    it(`gives PEFT's logits with LoRA, rsLoRA and DoRA, from the layout ${layout}`, async () => {
      await using model = await openMini(fixture(layout));
      for (const name of ADAPTERS) {
        await model.loadAdapter(adapterPath(name));
        const found = await logitsOf(model.runnerFor(name));
        expect(maxDifference(found, peftLogits(name))).toBeLessThan(1e-5);
      }
      expect(maxDifference(await logitsOf(model.runner), peftLogits("base"))).toBeLessThan(1e-5);
    });

  it("gives them in fast mode to the precision of 16 bits", async () => {
    await using model = await openMini(fixture("phi-mini"), { mode: "fast" });
    for (const name of ADAPTERS) {
      await model.loadAdapter(adapterPath(name));
      const found = await logitsOf(model.runnerFor(name));
      expect(maxDifference(found, peftLogits(name))).toBeLessThan(1e-2);
    }
  });

  for (const type of ["q8_0", "q4_0"] as const)
    it(`adds to ${type} weights, repacked or not, what it adds to the numbers they stand for`, async () => {
      await quantizeModel({ from: fixture("phi-mini"), to: at("mini.gguf"), type });
      await mergeAdapter({
        model: at("mini.gguf"),
        adapter: adapterPath("rslora"),
        to: at("merged"),
      });
      await using exact = await openMini(at("merged"));
      const wanted = await logitsOf(exact.runner);
      for (const [options, tolerance] of [
        [{ mode: "reference" }, 1e-5],
        // Products of quantised weights round the activations to 8 bits as well.
        [{ mode: "fast", repack: true }, 0.15],
        [{ mode: "fast", repack: false }, 0.15],
      ] as const) {
        await using model = await openMini(at("mini.gguf"), options);
        await model.loadAdapter(adapterPath("rslora"));
        const found = await logitsOf(model.runnerFor("rslora"));
        expect(maxDifference(found, wanted)).toBeLessThan(tolerance);
        expect(maxDifference(await logitsOf(model.runner), wanted)).toBeGreaterThan(1);
      }
    });

  it("is the model itself, to the bit, while B is 0", async () => {
    await using model = await openMini();
    const settings = { model: config, backend: model.backend, seed: 1 };
    using adapter = Adapter.create(loraConfig({ targetModules: "all-linear" }), settings);
    using runner = model.runner.adapt(adapter.modules);
    expect(adapter.modules.size).toBe(12);
    expect(maxDifference(await logitsOf(runner), await logitsOf(model.runner))).toBe(0);
  });
});

describe("a new adapter", () => {
  it("is drawn from its seed, as PEFT draws it: A within 1/√K, B zero", () => {
    using backend = new Backend({ device: "cpu" });
    const make = (seed: number) =>
      Adapter.create(loraConfig({ rank: 16 }), { model: config, backend, seed });
    using first = make(7);
    using again = make(7);
    using other = make(8);
    for (const [name, tensor] of first.parameters) {
      const values = tensor.read();
      expect(again.parameters.get(name)?.read()).toEqual(values);
      if (name.endsWith("lora_B.weight")) expect(values.every((value) => value === 0)).toBe(true);
      else {
        const bound = 1 / Math.sqrt(tensor.dim(1));
        const largest = Math.max(...values.map(Math.abs));
        expect(largest).toBeLessThanOrEqual(bound);
        expect(largest).toBeGreaterThan(0.98 * bound);
        expect(other.parameters.get(name)?.read()).not.toEqual(values);
      }
    }
  });

  it("can be planned before any of it is made", () => {
    const plan = planAdapter(loraConfig({ rank: 2, rankPattern: { fc2: 3 } }), config);
    const parameters = plan.map(({ module, rank }) => rank * (module.inputs + module.outputs));
    expect(parameters.reduce((a, b) => a + b)).toBe(2 * (2 * 128 + 2 * 128 + 2 * 320 + 3 * 320));
  });

  it("with DoRA, or for layers that are not there, is refused", () => {
    using backend = new Backend({ device: "cpu" });
    const make = (fields: object) =>
      Adapter.create(loraConfig(fields), { model: config, backend, seed: 0 });
    expect(() => make({ useDora: true })).toThrow("DoRA are not trained here");
    expect(() => make({ targetModules: ["gate_proj"] })).toThrow("means no layer of the model");
  });
});

describe("gradients with respect to A and B", () => {
  it("are PyTorch's", async () => {
    const expected = await readTensors(fixture("peft/gradients.safetensors"));
    const file = await openCheckpoint(fixture("peft/gradients.safetensors"));
    const loss = file.format === "safetensors" ? Number(file.metadata.get("loss")) : NaN;
    const stored = await readTensors(fixture("phi-mini/model.safetensors"));
    using backend = new Backend({ device: "cpu" });
    using weights = trainableWeights(backend, config, (name) => stored.get(name)!.values);
    using adapter = await Adapter.load(await fromPeft("plain"), { backend, base: new Map() });
    const found = await lossAndGradients(adapter, weights.phi, backend);
    expect(found.loss).toBeCloseTo(loss, 5);
    expect(found.gradients.size).toBe(expected.size);
    for (const [name, values] of found.gradients) {
      const wanted = expected.get(`base_model.model.${name}`)!.values;
      const error = norm(values.map((v, i) => v - wanted[i]!)) / norm(wanted);
      expect(error, name).toBeLessThan(1e-5);
    }
  });

  it("pass through quantised weights, which stay as they are", async () => {
    await quantizeModel({ from: fixture("phi-mini"), to: at("mini.gguf"), type: "q8_0" });
    await using model = await openMini(at("mini.gguf"), { mode: "fast", repack: false });
    await using decoded = await openMini(at("mini.gguf"));
    const { backend } = model;
    using adapter = await Adapter.load(await fromPeft("rslora"), { backend, base: new Map() });
    const found = await lossAndGradients(adapter, model.weights.phi, backend);
    const exact = await lossAndGradients(adapter, decoded.weights.phi, backend);
    expect(found.loss).toBeCloseTo(exact.loss, 2);
    for (const [name, values] of found.gradients) {
      const wanted = exact.gradients.get(name) ?? new Float32Array();
      const error = norm(values.map((v, i) => v - wanted[i]!)) / norm(wanted);
      expect(error, name).toBeLessThan(0.1);
    }
  });

  it("see only what dropout leaves, and the weights see everything", async () => {
    const stored = await readTensors(fixture("phi-mini/model.safetensors"));
    using backend = new Backend({ device: "cpu" });
    using weights = trainableWeights(backend, config, (name) => stored.get(name)!.values);
    using adapter = await Adapter.load(await fromPeft("plain"), { backend, base: new Map() });
    const name = "model.layers.1.mlp.fc2";
    const dropped = await lossAndGradients(adapter, weights.phi, backend, (i) => (i % 2) * 2, name);
    const gradient = dropped.gradients.get(`${name}.lora_A.weight`)!;
    expect(gradient.every((value, i) => (i % 2 === 0 ? value === 0 : value !== 0))).toBe(true);
    const none = await lossAndGradients(adapter, weights.phi, backend, () => 0, name);
    const without = new Map([...adapter.modules].filter(([module]) => module !== name));
    const plain = await lossAndGradients({ ...adapter, modules: without }, weights.phi, backend);
    expect(none.loss).toBe(plain.loss);
  });

  /** `mask` gives the dropout mask of `masked`, `[R, K]`, by place in the row. */
  async function lossAndGradients(
    adapter: Pick<Adapter, "modules" | "parameters">,
    phi: Parameters<typeof withAdapter>[0],
    backend: Backend,
    mask?: (column: number) => number,
    masked?: string,
  ) {
    using graph = new Graph(backend, { maxNodes: 2048 });
    const changes = new Map(adapter.modules);
    const lora = changes.get(masked ?? "");
    const input = lora === undefined ? undefined : graph.input("f32", [ids.length, lora.a.dim(1)]);
    if (lora !== undefined && input !== undefined)
      changes.set(masked ?? "", { ...lora, mask: input });
    const adapted = withAdapter(phi, changes);
    const { loss, fill } = trainingLoss(graph, adapted, config, { batch: 1, length: ids.length });
    const parameters = [...(adapter.parameters ?? [])];
    const found = gradients(
      loss,
      parameters.map(([, tensor]) => tensor),
    );
    graph.output(loss, ...found);
    graph.allocate();
    fill([ids]);
    const width = input?.dim(1) ?? 1;
    input?.write(Float32Array.from({ length: input.size }, (_, i) => mask?.(i % width) ?? 1));
    await graph.compute();
    return {
      loss: loss.read()[0]!,
      gradients: new Map(parameters.map(([name], i) => [name, found[i]!.read()])),
    };
  }
});

function norm(values: Float32Array): number {
  return Math.sqrt(values.reduce((sum, value) => sum + value * value, 0));
}
