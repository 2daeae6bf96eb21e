/** A model's weights as circuits are computed with them: f32, each head's apart. */
import { formatBytes } from "../../base/format.ts";
import { LabError } from "../../base/errors.ts";
import type { LanguageModel } from "../../generate/language-model.ts";
import type { PhiConfig } from "../../model/config.ts";
import { TensorStore } from "../../tensor/store.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { openWeights } from "../weights.ts";

export interface CircuitBlock {
  norm: { weight: Tensor; bias: Tensor }; // [D]
  q: { weight: Tensor; bias: Tensor }; // [N, H, D], [N, 1, H]
  k: { weight: Tensor; bias: Tensor };
  v: { weight: Tensor; bias: Tensor };
  /** What each head adds, [N, D, H]; their common bias, [D]. */
  out: { weight: Tensor; bias: Tensor };
  mlp: { fc1: { weight: Tensor; bias: Tensor }; fc2: { weight: Tensor; bias: Tensor } } | undefined;
}

export interface CircuitWeights extends Disposable {
  /** On the host: streams begin as its rows. [V, D] */
  embedding: Float32Array;
  blocks: readonly CircuitBlock[];
  norm: { weight: Tensor; bias: Tensor };
  head: { weight: Tensor; bias: Tensor }; // [V, D], [V]
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
    { weight, bias }: { weight: Float32Array; bias: Float32Array },
  ): { weight: Tensor; bias: Tensor } => ({
    weight: put(`${name}.weight`, [rows, columns], weight),
    bias: put(`${name}.bias`, [rows], bias),
  });
  const norm = (name: string, own: { weight: Float32Array; bias: Float32Array }) => ({
    weight: put(`${name}.weight`, [width], own.weight),
    bias: put(`${name}.bias`, [width], own.bias),
  });
  try {
    const blocks: CircuitBlock[] = [];
    for (let l = 0; l < layers; l++) {
      const block = await view.block(l);
      const port = (name: "q" | "k" | "v") => ({
        weight: put(`${l}.${name}.weight`, [heads, headSize, width], block[name].weight),
        bias: put(`${l}.${name}.bias`, [heads, 1, headSize], block[name].bias),
      });
      blocks.push({
        norm: norm(`${l}.norm`, block.norm),
        ...{ q: port("q"), k: port("k"), v: port("v") },
        out: {
          weight: put(
            `${l}.out.weight`,
            [heads, width, headSize],
            apart(block.dense.weight, config),
          ),
          bias: put(`${l}.out.bias`, [width], block.dense.bias),
        },
        mlp: block.mlp && {
          fc1: pair(`${l}.fc1`, [config.mlpWidth, width], block.mlp.fc1),
          fc2: pair(`${l}.fc2`, [width, config.mlpWidth], block.mlp.fc2),
        },
      });
    }
    const last = await view.unembed();
    return {
      embedding: await view.embedding(),
      blocks,
      norm: norm("norm", last.norm),
      head: pair("head", [config.vocabSize, width], last.head),
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

/** `[D, N·H]` → `[N, D, H]` */
function apart(values: Float32Array, { heads, headSize, width }: PhiConfig): Float32Array {
  const result = new Float32Array(values.length);
  for (let d = 0; d < width; d++)
    for (let n = 0; n < heads; n++) {
      const from = (d * heads + n) * headSize;
      result.set(values.subarray(from, from + headSize), (n * width + d) * headSize);
    }
  return result;
}
