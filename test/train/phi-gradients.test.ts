import { expect, it } from "vitest";
import { Backend } from "../../src/engine/backend.ts";
import { configFromJson } from "../../src/model/config.ts";
import { gradients } from "../../src/tensor/autograd/gradients.ts";
import { Graph } from "../../src/tensor/graph.ts";
import { fixture, readFixture, readTensors } from "../support/golden.ts";
import { trainableWeights, trainingLoss } from "../support/training.ts";

const config = configFromJson(readFixture("phi-mini/config.json"), "phi-mini");
const inputs = readFixture<{ input_ids: number[][]; loss: number }>("phi-mini/inputs.json");
const expected = await readTensors(fixture("phi-mini/expected.safetensors"));
const stored = await readTensors(fixture("phi-mini/model.safetensors"));

const norm = (x: Float32Array): number => Math.sqrt(x.reduce((sum, v) => sum + v * v, 0));

for (const fused of [false, true])
  it(`gives PyTorch's loss and gradients on phi-mini${fused ? ", attention fused" : ""}`, async () => {
    using backend = new Backend({ device: "cpu", threads: 1 });
    using weights = trainableWeights(backend, config, (name) => stored.get(name)!.values);
    using graph = new Graph(backend, { maxNodes: 2048 });
    const [batch, length] = [inputs.input_ids.length, inputs.input_ids[0]!.length];
    const { loss, fill } = trainingLoss(graph, weights.phi, config, { batch, length, fused });
    const names = [...weights.tensors.keys()];
    const found = gradients(loss, [...weights.tensors.values()]);
    graph.output(loss, ...found);
    graph.allocate();
    fill(inputs.input_ids);
    await graph.compute();

    expect(loss.read()[0]).toBeCloseTo(inputs.loss, 5);
    const worst = names.map((name, i) => {
      const [a, b] = [found[i]!.read(), expected.get(`grad.${name}`)!.values];
      return { name, relative: norm(a.map((v, j) => v - (b[j] ?? NaN))) / norm(b) };
    });
    expect(worst.filter(({ relative }) => !(relative < 1e-5))).toEqual([]);
  });
