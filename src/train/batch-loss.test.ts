import { expect, it, describe } from "vitest";
import { randomData, TINY } from "../../test/support/train.ts";
import { Random } from "../base/random.ts";
import { Backend } from "../engine/backend.ts";
import type { PhiConfig } from "../model/config.ts";
import { Optimizer } from "../tensor/optimizers.ts";
import { BatchLoss } from "./batch-loss.ts";
import { BatchStream } from "./data/batches.ts";
import { nextToken } from "./next-token.ts";
import { TrainableModel } from "./trainable-model.ts";

const backend = new Backend({ device: "cpu", threads: 1 });

/** Loss, gradient norm and weights after one step over all of the data, in batches of `batchSize`. */
async function step(
  config: PhiConfig,
  {
    batchSize,
    lengths,
    recompute = false,
  }: Record<"batchSize", number> & {
    lengths: readonly number[];
    recompute?: boolean;
  },
): Promise<{ loss: number; gradientNorm: number; weights: Float32Array }> {
  using model = TrainableModel.initialize(config, backend, { seed: 4 });
  const parameters = [...model.parameters.values()];
  const settings = { optimizer: "sgd" } as const;
  using optimizer = new Optimizer(backend, [{ parameters, learningRate: 1, settings }]);
  const objective = nextToken(model, { perRow: false, recompute });
  using losses = new BatchLoss({ trainee: model, objective, optimizer });
  const data = randomData({
    lengths,
    vocabSize: config.vocabSize,
    length: 32,
    learned: (sequence, at) => at > 2 * sequence, // ragged answers, too
  });
  const batches = [...new BatchStream(data, { batchSize, shuffle: false, lengthMultiple: 4 })];
  const { loss } = await losses.train(batches, { random: new Random(0) });
  const { gradientNorm } = await optimizer.step();
  const weights = parameters.flatMap((tensor) => [...tensor.read()]);
  return { loss, gradientNorm, weights: Float32Array.from(weights) };
}

describe("a step over many batches", () => {
  const lengths = [20, 31, 9, 16, 27, 12, 32, 18];

  it.each([4, 2, 1])("has the loss and the gradients of one batch: %i at a time", async (size) => {
    const expected = await step(TINY, { batchSize: 8, lengths });
    const found = await step(TINY, { batchSize: size, lengths });
    expect(Math.abs(found.loss / expected.loss - 1)).toBeLessThan(1e-5);
    expect(Math.abs(found.gradientNorm / expected.gradientNorm - 1)).toBeLessThan(1e-5);
    // The learning rate is 1: weights have moved by their gradients.
    const worst = found.weights.reduce(
      (most, w, i) => Math.max(most, Math.abs(w - expected.weights[i]!)),
      0,
    );
    expect(worst).toBeLessThan(1e-5 * expected.gradientNorm);
  });
});

it.each([false, true])(
  "a model of a hundred layers trains (recomputed: %s): ggml's allocator bears 256 gaps in memory, and no more",
  async (recompute) => {
    const deep = { ...TINY, layers: 100 };
    const { gradientNorm } = await step(deep, { batchSize: 2, lengths: [12, 9], recompute });
    expect(gradientNorm).toBeGreaterThan(0);
  },
);
