import fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import { TINY } from "../../test/support/train.ts";
import { Random } from "../base/random.ts";
import { Backend } from "../engine/backend.ts";
import type { PhiConfig } from "../model/config.ts";
import { Graph } from "../tensor/graph.ts";
import { Optimizer } from "../tensor/optimizers.ts";
import { BatchLoss } from "./batch-loss.ts";
import { BatchStream } from "./data/batches.ts";
import { Dataset } from "./data/dataset.ts";
import { TokenStore } from "./data/token-store.ts";
import { recordForward } from "./forward.ts";
import { grow, grownConfig } from "./grow.ts";
import { nextToken } from "./next-token.ts";
import { TrainableModel } from "./trainable-model.ts";

const backend = new Backend({ device: "cpu", threads: 1 });
afterAll(() => {
  backend[Symbol.dispose]();
});

/** A model whose weights are all different, norms and biases too. */
function randomModel(config: PhiConfig, seed: number): TrainableModel {
  const model = TrainableModel.initialize(config, backend, { seed });
  const random = new Random(seed).split(1);
  for (const [name, tensor] of model.parameters) {
    const mean = name.endsWith("layernorm.weight") ? 1 : 0;
    const draw = (): number => random.normal({ mean, standardDeviation: 0.3 });
    tensor.write(Float32Array.from({ length: tensor.size }, draw));
  }
  return model;
}

async function logits(model: TrainableModel): Promise<Float32Array> {
  const length = 12;
  using graph = new Graph(backend);
  const shape = { sequences: 1, length };
  const recorded = recordForward(graph, model.inGraph(), model.config, shape, { perRow: false });
  graph.output(recorded.logits);
  graph.allocate();
  const ids = Int32Array.from({ length }, (_, i) => (i * 7) % model.config.vocabSize);
  const positions = Int32Array.from(ids, (_, i) => i);
  const documents = new Int32Array(length);
  const counts = { tokens: length, learned: length, epoch: 0, index: 0 };
  const batch = { ...shape, ids, positions, documents, targets: ids, ...counts };
  recorded.fill(batch, new Random(0));
  await graph.compute();
  return recorded.logits.read();
}

/** Sequences in which nine of ten tokens follow from the one before. */
function chains(): Dataset {
  const { vocabSize } = TINY;
  const random = new Random(4);
  const store = new TokenStore(vocabSize);
  const [sequences, length] = [256, 16];
  for (let i = 0; i < sequences; i++) {
    const ids = [random.integer(vocabSize)];
    while (ids.length < length)
      ids.push(
        random.uniform() < 0.9 ? (ids.at(-1)! * 3 + 1) % vocabSize : random.integer(vocabSize),
      );
    store.add(
      ids,
      ids.map(() => 1),
    );
  }
  const examples = Uint32Array.from({ length: sequences }, (_, i) => i);
  return new Dataset({ kind: "text", store, length, examples });
}

/** The losses of some steps of AdamW. */
async function learn(trainee: TrainableModel, steps: number): Promise<number[]> {
  const stream = new BatchStream(chains(), { batchSize: 16, epochs: Infinity });
  const parameters = [...trainee.parameters.values()];
  const settings = { optimizer: "adamw" } as const;
  using optimizer = new Optimizer(backend, [{ parameters, learningRate: 3e-3, settings }]);
  const objective = nextToken(trainee, { perRow: false });
  using losses = new BatchLoss({ trainee, objective, optimizer });
  const found: number[] = [];
  for (const batch of stream) {
    const { loss } = await losses.train([batch], { random: new Random(0) });
    await optimizer.step({ maxNorm: 1 });
    found.push(loss);
    if (found.length === steps) break;
  }
  return found;
}

/** Sizes that are no multiples of the smaller ones as well. */
const sizes = fc.record({
  layers: fc.integer({ min: 2, max: 5 }),
  heads: fc.integer({ min: 2, max: 5 }),
  headSize: fc.constantFrom(8, 12, 16),
  mlpWidth: fc.integer({ min: 32, max: 100 }),
  attentionOnly: fc.boolean(),
});

describe("a grown model", () => {
  it("computes what the small one computes, whatever the sizes", async () => {
    await fc.assert(
      fc.asyncProperty(sizes, fc.integer({ min: 0, max: 99 }), async (size, seed) => {
        const { attentionOnly, ...larger } = size;
        using small = randomModel({ ...TINY, ...(attentionOnly ? { mlpWidth: 0 } : {}) }, seed);
        const width = larger.heads * larger.headSize;
        const config = grownConfig(small.config, { ...TINY, ...larger, width });
        using grown = grow(small, config, { seed });
        const [before, after] = [await logits(small), await logits(grown)];
        const scale = Math.max(...before.map(Math.abs));
        after.forEach((value, i) => {
          expect(Math.abs(value - before[i]!) / scale).toBeLessThan(1e-5);
        });
      }),
      { numRuns: 25 },
    );
  });

  it("is not grown from a larger one, nor with another vocabulary", () => {
    expect(() => grownConfig(TINY, { ...TINY, layers: 1 })).toThrow(/layers 2, not 1/);
    expect(() => grownConfig(TINY, { ...TINY, vocabSize: 41 })).toThrow(/40 and 41 tokens/);
  });

  it("reaches a loss in fewer steps than from random weights", async () => {
    const large = { ...TINY, layers: 4, heads: 4, width: 32, mlpWidth: 128 };
    using small = TrainableModel.initialize(TINY, backend, { seed: 1 });
    await learn(small, 200);
    using grown = grow(small, grownConfig(TINY, large), { seed: 1 });
    using begun = TrainableModel.initialize(large, backend, { seed: 1 });
    const [fromSmall, fromRandom] = [await learn(grown, 80), await learn(begun, 80)];
    const goal = fromRandom.at(-1) ?? NaN;
    const stepsTo = (losses: number[]): number => losses.findIndex((loss) => loss <= goal);
    expect(stepsTo(fromSmall)).toBeGreaterThanOrEqual(0);
    expect(stepsTo(fromSmall)).toBeLessThan(stepsTo(fromRandom) / 4);
  });
});
