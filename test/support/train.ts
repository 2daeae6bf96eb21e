/** Small training runs: a model, data of random tokens, and the loop around them. */
import { Random } from "../../src/base/random.ts";
import type { Backend } from "../../src/engine/backend.ts";
import type { PhiConfig } from "../../src/model/config.ts";
import { BatchStream, type BatchOptions } from "../../src/train/data/batches.ts";
import { Dataset } from "../../src/train/data/dataset.ts";
import { TokenStore } from "../../src/train/data/token-store.ts";
import type { LoopContext, Training } from "../../src/train/loop.ts";
import { nextToken } from "../../src/train/next-token.ts";
import { LOOP_OPTIONS, type LoopOptions } from "../../src/train/options.ts";
import { TrainableModel } from "../../src/train/trainable-model.ts";
import { z } from "zod";

export const TINY: PhiConfig = {
  ...{ layers: 2, heads: 2, headSize: 8, width: 16, mlpWidth: 32, rotaryDims: 4 },
  ...{ vocabSize: 40, contextLength: 64, ropeTheta: 10_000, layerNormEps: 1e-5 },
};

/** Sequences of random tokens; `learned` says of each whether the loss counts it. */
export function randomData(options: {
  lengths: readonly number[];
  vocabSize: number;
  seed?: number;
  length: number;
  learned?: (sequence: number, at: number) => boolean;
}): Dataset {
  const { lengths, vocabSize, seed = 0, length, learned = () => true } = options;
  const random = new Random(seed);
  const store = new TokenStore(vocabSize);
  lengths.forEach((size, sequence) => {
    const ids = Array.from({ length: size }, () => random.integer(vocabSize));
    store.add(
      ids,
      ids.map((_, at) => (learned(sequence, at) ? 1 : 0)),
    );
  });
  const examples = Uint32Array.from(lengths, (_, i) => i);
  return new Dataset({ kind: "text", store, length, examples });
}

/** Options of the loop, with the defaults of all that is not said. */
export function loopOptions(
  given: Partial<LoopOptions> & { seed?: number },
): LoopOptions & { seed: number } {
  const { seed = 0, ...options } = given;
  return { ...z.object(LOOP_OPTIONS).parse({ learningRate: 1e-3, ...options }), seed };
}

/** A context that keeps what the loop tells. */
export function loopContext(folder: string, more: Partial<LoopContext> = {}): LoopContext {
  return {
    folder,
    signal: new AbortController().signal,
    progress: () => undefined,
    emit: () => undefined,
    ...more,
  };
}

/** Pre-training of a new model on `data`. */
export function training(
  backend: Backend,
  options: { config: PhiConfig; data: Dataset; batches: BatchOptions; out: string; seed?: number },
): Training {
  const { config, data, batches, out, seed = 1 } = options;
  const trainee = TrainableModel.initialize(config, backend, { seed });
  const train = new BatchStream(data, { epochs: Infinity, ...batches });
  const objective = nextToken(trainee, { perRow: train.masksRows });
  return { trainee, objective, train, files: {}, out };
}
