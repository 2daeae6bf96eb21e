/**
 * A model's weights as circuits are computed with them: f32, LayerNorm's weight and bias folded into what reads the stream, whose
 * rows are centred.
 */
import { formatBytes } from "../../base/format.ts";
import { LabError } from "../../base/errors.ts";
import type { LanguageModel } from "../../generate/language-model.ts";
import type { PhiConfig } from "../../model/config.ts";
import { TensorStore } from "../../tensor/store.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { foldInto } from "../fold.ts";
import { openWeights, type LinearValues } from "../weights.ts";

export interface Linear {
  weight: Tensor;
  bias: Tensor;
}

export interface CircuitBlock {
  /** Queries, keys and values, `[N·H, D]` and `[N·H]`. */
  ports: readonly [Linear, Linear, Linear];
  out: Linear; // [D, N·H], [D]
  mlp: { fc1: Linear; fc2: Linear } | undefined;
}

export interface CircuitWeights extends Disposable {
  /** On the host: streams begin as its rows. [V, D] */
  embedding: Float32Array;
  blocks: readonly CircuitBlock[];
  head: Linear; // [V, D], [V]
}

/** @throws LabError `out_of_memory` where the weights in f32 do not fit; what `openWeights` throws */
export async function loadCircuitWeights(model: LanguageModel): Promise<CircuitWeights> {
  const { backend } = model;
  const view = await openWeights(model);
  const { config } = view;
  assertRoom(config);
  const { layers, heads, headSize, width } = config;
  const store = new TensorStore(4 + 16 * layers);
  const put = (name: string, shape: readonly number[], values: Float32Array): Tensor => {
    const [tensor] = store.create(backend.bufferType, [{ name, dtype: "f32", shape }]) as [Tensor];
    tensor.write(values);
    return tensor;
  };
  const pair = (
    name: string,
    [rows, columns]: [number, number],
    { weight, bias }: LinearValues,
  ): Linear => ({
    weight: put(`${name}.weight`, [rows, columns], weight),
    bias: put(`${name}.bias`, [rows], bias),
  });
  try {
    const blocks: CircuitBlock[] = [];
    for (let l = 0; l < layers; l++) {
      const block = await view.block(l);
      const reading = (values: LinearValues): LinearValues => foldInto(values, block.norm, width);
      const port = (name: "q" | "k" | "v"): Linear =>
        pair(`${l}.${name}`, [heads * headSize, width], reading(block[name]));
      blocks.push({
        ports: [port("q"), port("k"), port("v")],
        out: pair(`${l}.out`, [width, heads * headSize], block.dense),
        mlp: block.mlp && {
          fc1: pair(`${l}.fc1`, [config.mlpWidth, width], reading(block.mlp.fc1)),
          fc2: pair(`${l}.fc2`, [width, config.mlpWidth], block.mlp.fc2),
        },
      });
    }
    const last = await view.unembed();
    return {
      embedding: await view.embedding(),
      blocks,
      head: pair("head", [config.vocabSize, width], foldInto(last.head, last.norm, width)),
      [Symbol.dispose]: () => {
        store[Symbol.dispose]();
      },
    };
  } catch (error) {
    store[Symbol.dispose]();
    throw error;
  }
}

function assertRoom({ layers, width, mlpWidth, vocabSize }: PhiConfig): void {
  const needed = 4 * (layers * width * (4 * width + 2 * mlpWidth) + 2 * vocabSize * width);
  const free = process.availableMemory();
  if (needed > free)
    throw new LabError(
      "out_of_memory",
      `circuits need the weights in f32, ${formatBytes(needed)}; ${formatBytes(free)} are free`,
      { hint: "Take a smaller model." },
    );
}
