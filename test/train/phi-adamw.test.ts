import { expect, it } from "vitest";
import { Random } from "../../src/base/random.ts";
import { Backend } from "../../src/engine/backend.ts";
import { Optimizer } from "../../src/tensor/optimizers.ts";
import { IGNORED } from "../../src/tensor/targets.ts";
import { BatchLoss } from "../../src/train/batch-loss.ts";
import type { Batch } from "../../src/train/data/batches.ts";
import { nextToken } from "../../src/train/next-token.ts";
import { TrainableModel } from "../../src/train/trainable-model.ts";
import { fixture, readFixture } from "../support/golden.ts";

interface Training {
  train: { batches: number[][][]; loss_and_gradnorm: [loss: number, gradientNorm: number][] };
}

const { train } = readFixture<Training>("phi-mini/inputs.json");

/** Sequences of equal length, each token of which is to predict the next. */
function batchOf(sequences: readonly (readonly number[])[]): Batch {
  const length = sequences[0]!.length;
  const tokens = sequences.length * length;
  return {
    ...{ sequences: sequences.length, length, tokens, learned: tokens - sequences.length },
    ...{ epoch: 0, index: 0, documents: new Int32Array(tokens) },
    ids: Int32Array.from(sequences.flat()),
    targets: Int32Array.from(sequences.flatMap((sequence) => [...sequence.slice(1), IGNORED])),
    positions: Int32Array.from({ length: tokens }, (_, i) => i % length),
  };
}

it("repeats PyTorch's twenty AdamW steps on phi-mini: losses and gradient norms", async () => {
  using backend = new Backend({ device: "cpu", threads: 1 });
  using trainee = await TrainableModel.load(fixture("phi-mini"), backend);
  using optimizer = new Optimizer(backend, [
    {
      parameters: [...trainee.parameters.values()],
      learningRate: 1e-3,
      settings: { optimizer: "adamw", betas: [0.9, 0.98], eps: 1e-7, weightDecay: 0.1 },
    },
  ]);
  const objective = nextToken(trainee, { perRow: false });
  using losses = new BatchLoss({ trainee, objective, optimizer });
  expect(train.batches).toHaveLength(20);
  for (const [i, sequences] of train.batches.entries()) {
    const { loss } = await losses.train([batchOf(sequences)], { random: new Random(0) });
    const { gradientNorm } = await optimizer.step({ maxNorm: 1 });
    const [expectedLoss, expectedNorm] = train.loss_and_gradnorm[i]!;
    expect(Math.abs(loss / expectedLoss - 1), `loss ${i}`).toBeLessThan(1e-4);
    expect(Math.abs(gradientNorm / expectedNorm - 1), `norm ${i}`).toBeLessThan(1e-4);
  }
});
