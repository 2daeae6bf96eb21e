/** A Phi whose weights can be trained, and the mean next-token loss over a batch. */
import type { Mode } from "../../src/base/settings.ts";
import type { Backend } from "../../src/engine/backend.ts";
import { attendWithin } from "../../src/model/attention.ts";
import type { PhiConfig } from "../../src/model/config.ts";
import { listParameters } from "../../src/model/parameters.ts";
import { phi, type PhiWeights } from "../../src/model/phi.ts";
import { untouched, type Tap } from "../../src/model/hook-points.ts";
import { assembleWeights } from "../../src/model/weights.ts";
import type { Graph } from "../../src/tensor/graph.ts";
import { crossEntropy } from "../../src/tensor/ops/index.ts";
import { TensorStore } from "../../src/tensor/store.ts";
import { countedTargets, IGNORED } from "../../src/tensor/targets.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";

export interface TrainableWeights extends Disposable {
  phi: PhiWeights;
  /** By Hugging Face name. */
  tensors: Map<string, Tensor>;
}

/** f32 weights of their own, with the values that `valuesOf` gives. */
export function trainableWeights(
  backend: Backend,
  config: PhiConfig,
  valuesOf: (name: string, size: number) => Float32Array,
): TrainableWeights {
  const specs = listParameters(config).map((spec) => ({ ...spec, dtype: "f32" as const }));
  const store = new TensorStore(specs.length);
  const created = store.create(backend.bufferType, specs);
  const tensors = new Map(specs.map(({ name }, i) => [name, created[i] as Tensor]));
  for (const [name, tensor] of tensors) tensor.write(valuesOf(name, tensor.size));
  return {
    tensors,
    phi: assembleWeights(tensors, config),
    [Symbol.dispose]: () => {
      store[Symbol.dispose]();
    },
  };
}

export interface TrainingBatch {
  loss: Tensor;
  /** Writes the tokens of `batch` sequences of `length`; each is to predict the next of its sequence. */
  fill: (batch: readonly (readonly number[])[]) => void;
}

/** Records the loss of a batch of equal sequences: the mean over all tokens but each sequence's first. */
export function trainingLoss(
  graph: Graph,
  weights: PhiWeights,
  config: PhiConfig,
  options: { batch: number; length: number; mode?: Mode; fused?: boolean; tap?: Tap },
): TrainingBatch {
  const { batch, length, mode = "reference", fused = false, tap = untouched } = options;
  const rows = batch * length;
  const ids = graph.input("i32", [rows], "ids");
  const positions = graph.input("i32", [rows], "positions");
  const targets = graph.input("i32", [rows], "targets");
  const counts = graph.input("f32", [rows], "counts");
  const mask = graph.input(fused ? "f16" : "f32", [1, 1, length, length], "mask");
  const attend = attendWithin({ batch, mask }, { fused });
  const logits = phi(weights, config, { ids, positions, attend }, { mode, tap });
  const loss = crossEntropy(logits, targets, counts);
  const fill = (sequences: readonly (readonly number[])[]): void => {
    const next = sequences.flatMap((sequence) => [...sequence.slice(1), IGNORED]);
    const { ids: wanted, weights } = countedTargets(next, { vocabSize: config.vocabSize });
    ids.write(Int32Array.from(sequences.flat()));
    positions.write(Int32Array.from(sequences.flatMap((s) => s.map((_, i) => i))));
    targets.write(wanted);
    counts.write(weights);
    const hidden = fused ? 0xfc00 : -Infinity;
    const visible = (i: number): number => (i % length <= Math.floor(i / length) ? 0 : hidden);
    const values = { length: length * length };
    mask.write(
      fused
        ? Uint16Array.from(values, (_, i) => visible(i))
        : Float32Array.from(values, (_, i) => visible(i)),
    );
  };
  return { loss, fill };
}
