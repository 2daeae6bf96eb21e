import { expect, it } from "vitest";
import { Backend } from "../../src/engine/backend.ts";
import { configFromJson } from "../../src/model/config.ts";
import { Graph } from "../../src/tensor/graph.ts";
import { Optimizer } from "../../src/tensor/optimizers.ts";
import { fixture, readFixture, readTensors } from "../support/golden.ts";
import { trainableWeights, trainingLoss } from "../support/training.ts";

interface Training {
  train: { batches: number[][][]; loss_and_gradnorm: [loss: number, gradientNorm: number][] };
}

const config = configFromJson(readFixture("phi-mini/config.json"), "phi-mini");
const { train } = readFixture<Training>("phi-mini/inputs.json");
const stored = await readTensors(fixture("phi-mini/model.safetensors"));

it("repeats PyTorch's twenty AdamW steps on phi-mini: losses and gradient norms", async () => {
  using backend = new Backend({ device: "cpu", threads: 1 });
  using weights = trainableWeights(backend, config, (name) => stored.get(name)!.values);
  using optimizer = new Optimizer(backend, [
    {
      parameters: [...weights.tensors.values()],
      learningRate: 1e-3,
      settings: { optimizer: "adamw", betas: [0.9, 0.98], eps: 1e-7, weightDecay: 0.1 },
    },
  ]);
  using graph = new Graph(backend, { maxNodes: 2048 });
  const [batch, length] = [train.batches[0]!.length, train.batches[0]![0]!.length];
  const { loss, fill } = trainingLoss(graph, weights.phi, config, { batch, length });
  optimizer.accumulateFrom(loss);
  graph.output(loss);
  graph.allocate();

  const steps: { loss: number; gradientNorm: number }[] = [];
  for (const ids of train.batches) {
    fill(ids);
    await graph.compute();
    const { gradientNorm } = await optimizer.step({ maxNorm: 1 });
    steps.push({ loss: loss.read()[0] ?? NaN, gradientNorm });
  }
  expect(steps).toHaveLength(20);
  train.loss_and_gradnorm.forEach(([loss, gradientNorm], i) => {
    expect(Math.abs(steps[i]!.loss / loss - 1), `loss ${i}`).toBeLessThan(1e-4);
    expect(Math.abs(steps[i]!.gradientNorm / gradientNorm - 1), `norm ${i}`).toBeLessThan(1e-4);
  });
});
