/**
 * A model in which the mechanism is known: two layers of attention only, trained on random tokens that repeat. The one way
 * to predict the second time is induction (Olsson et al. 2022, arXiv 2209.11895): a head of layer 0 looks at the token
 * before, and a head of layer 1 at the token after the last time that the present one occurred. Periods are random, so
 * that no fixed distance will do.
 *
 * A minute on one thread.
 */
import path from "node:path";
import { Random } from "../../src/base/random.ts";
import { Backend } from "../../src/engine/backend.ts";
import type { PhiConfig } from "../../src/model/config.ts";
import { BatchStream } from "../../src/train/data/batches.ts";
import { Dataset } from "../../src/train/data/dataset.ts";
import { TokenStore } from "../../src/train/data/token-store.ts";
import { TrainingLoop } from "../../src/train/loop.ts";
import type { StepMetrics } from "../../src/train/metrics.ts";
import { loopContext, loopOptions, training } from "./train.ts";

export const INDUCTION_CONFIG: PhiConfig = {
  ...{ layers: 2, heads: 2, headSize: 32, width: 64, mlpWidth: 0, rotaryDims: 32 },
  ...{ vocabSize: 64, contextLength: 64, ropeTheta: 10_000, layerNormEps: 1e-5 },
};

const STEPS = 800;
const BATCH_SIZE = 32;

/** Random tokens, over and over until the context is full; learned from the second time on. */
function repeatedTokens(options: {
  sequences: number;
  period: (random: Random) => number;
  seed: number;
}): Dataset {
  const { vocabSize, contextLength: length } = INDUCTION_CONFIG;
  const random = new Random(options.seed);
  const store = new TokenStore(vocabSize);
  for (let i = 0; i < options.sequences; i++) {
    const period = options.period(random);
    // All different, so that what came after the last time is certain.
    const once = random.permutation(vocabSize).subarray(0, period);
    const ids = Array.from({ length }, (_, at) => once[at % period] ?? 0);
    store.add(
      ids,
      ids.map((_, at) => (at >= period ? 1 : 0)),
    );
  }
  const examples = Uint32Array.from({ length: options.sequences }, (_, i) => i);
  return new Dataset({ kind: "text", store, length, examples });
}

/**
 * Trains it in `folder`.
 *
 * @returns the model's directory, and its loss on the second half of 32 random tokens that stand twice, in nats
 */
export async function trainInductionModel(
  folder: string,
  { onMetrics }: { onMetrics?: (metrics: StepMetrics) => void } = {},
): Promise<{ path: string; secondHalfLoss: number }> {
  using backend = new Backend({ threads: 1 });
  const data = repeatedTokens({
    sequences: STEPS * BATCH_SIZE,
    period: (random) => 4 + random.integer(29),
    seed: 7,
  });
  const twice = repeatedTokens({ sequences: BATCH_SIZE, period: () => 32, seed: 8 });
  const out = path.join(folder, "model");
  const batches = { batchSize: BATCH_SIZE };
  const setup = training(backend, { config: INDUCTION_CONFIG, data, batches, out, seed: 3 });
  using _trainee = setup.trainee;
  setup.evaluation = new BatchStream(twice, { batchSize: BATCH_SIZE, shuffle: false });
  const options = loopOptions({
    ...{ maxSteps: STEPS, perDeviceTrainBatchSize: BATCH_SIZE, saveSteps: STEPS },
    ...{ learningRate: 6e-3, lrSchedulerType: "linear", warmupSteps: 50 },
  });
  const observer = onMetrics === undefined ? {} : { onMetrics };
  using loop = new TrainingLoop(setup, options, loopContext(folder), observer);
  const { evalLoss } = await loop.run();
  return { path: out, secondHalfLoss: Number(evalLoss) };
}
