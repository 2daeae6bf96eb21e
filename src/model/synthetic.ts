/**
 * A GGUF file with the shape of a Phi model and random weights: for measuring speed and memory where no weights are at hand.
 * Its text means nothing, its arithmetic is that of the real model. Queries, keys and values lie in one matrix, as in the
 * published Phi-2 files.
 */
import { Random } from "../base/random.ts";
import { writeGguf, type GgufValue, type TensorSpec } from "../checkpoint/index.ts";
import { quantizeRows } from "../engine/quantize.ts";
import { tensorBytes, type DType } from "../engine/dtypes.ts";
import { GGUF_ARCHITECTURE, toGgufMetadata } from "./config-gguf.ts";
import type { PhiConfig } from "./config.ts";
import { chooseTypes, type Quantization } from "./quantize.ts";

/** Standard deviation of the weights: that of Phi's initialisation. */
const DEVIATION = 0.02;
/** Random rows that are repeated through a matrix: drawing and quantising 2.8 billion numbers would take minutes. */
const DISTINCT_ROWS = 64;

export interface SyntheticOptions {
  type: Quantization | "f32";
  seed?: number;
  signal?: AbortSignal;
  onProgress?: (done: { bytesDone: number; bytesTotal: number }) => void;
}

/** Writes the file `to`, whole or not at all. */
export async function writeSyntheticModel(
  to: string,
  config: PhiConfig,
  { type, seed = 0, signal, onProgress }: SyntheticOptions,
): Promise<void> {
  const plain = listTensors(config);
  const types = type === "f32" ? undefined : chooseTypes(plain, type);
  const tensors = plain.map((spec) => ({
    ...spec,
    dtype: types?.get(spec.name)?.dtype ?? spec.dtype,
  }));
  const bytesTotal = tensors.reduce((sum, { dtype, shape }) => sum + tensorBytes(dtype, shape), 0);
  const random = new Random(seed);
  let bytesDone = 0;
  const pattern = new Map<string, Promise<Uint8Array>>();
  const rowsOf = (dtype: DType, length: number, deviation: number): Promise<Uint8Array> => {
    const key = `${dtype} ${length} ${deviation}`;
    const found =
      pattern.get(key) ??
      quantizeRows(
        dtype,
        Float32Array.from({ length: DISTINCT_ROWS * length }, () => random.normal() * deviation),
        length,
      );
    pattern.set(key, found);
    return found;
  };
  await writeGguf(
    to,
    tensors,
    async function* ({ name, dtype, shape }) {
      const isVector = shape.length === 1;
      const rowLength = shape.at(-1) ?? 1;
      const isScale = name.endsWith("norm.weight");
      const rows = isScale
        ? new Uint8Array(new Float32Array(rowLength).fill(1).buffer)
        : await rowsOf(dtype, rowLength, isVector ? 0 : DEVIATION);
      let left = tensorBytes(dtype, shape);
      while (left > 0) {
        const piece = rows.subarray(0, Math.min(left, rows.length));
        yield piece;
        left -= piece.length;
        bytesDone += piece.length;
      }
      onProgress?.({ bytesDone, bytesTotal });
    },
    { metadata: syntheticMetadata(config), ...(signal === undefined ? {} : { signal }) },
  );
}

function listTensors({ layers, width, mlpWidth, vocabSize }: PhiConfig): TensorSpec[] {
  const tensor = (name: string, ...shape: number[]): TensorSpec => ({ name, dtype: "f32", shape });
  const linear = (name: string, outputs: number, inputs: number): TensorSpec[] => [
    tensor(`${name}.weight`, outputs, inputs),
    tensor(`${name}.bias`, outputs),
  ];
  const norm = (name: string): TensorSpec[] => [
    tensor(`${name}.weight`, width),
    tensor(`${name}.bias`, width),
  ];
  return [
    tensor("token_embd.weight", vocabSize, width),
    ...Array.from({ length: layers }, (_, l) => [
      ...norm(`blk.${l}.attn_norm`),
      ...linear(`blk.${l}.attn_qkv`, 3 * width, width),
      ...linear(`blk.${l}.attn_output`, width, width),
      ...linear(`blk.${l}.ffn_up`, mlpWidth, width),
      ...linear(`blk.${l}.ffn_down`, width, mlpWidth),
    ]).flat(),
    ...norm("output_norm"),
    ...linear("output", vocabSize, width),
  ];
}

/** What llama.cpp needs to open the file, with a vocabulary of made-up words. */
function syntheticMetadata(config: PhiConfig): Map<string, GgufValue> {
  const text = (value: string): GgufValue => ({ type: "string", value });
  const id = (value: number): GgufValue => ({ type: "uint32", value });
  // One merge, "w" and "1" to "w1": llama.cpp wants a list of them.
  const tokens = ["w", "1", ...Array.from({ length: config.vocabSize - 2 }, (_, i) => `w${i + 1}`)];
  return new Map<string, GgufValue>([
    ["general.architecture", text(GGUF_ARCHITECTURE)],
    ["general.name", text("synthetic")],
    ...toGgufMetadata(config),
    ["tokenizer.ggml.model", text("gpt2")],
    ["tokenizer.ggml.pre", text("phi-2")],
    ["tokenizer.ggml.tokens", { type: "array", items: "string", value: tokens }],
    [
      "tokenizer.ggml.token_type",
      { type: "array", items: "int32", value: new Int32Array(config.vocabSize).fill(1) },
    ],
    ["tokenizer.ggml.merges", { type: "array", items: "string", value: ["w 1"] }],
    ["tokenizer.ggml.bos_token_id", id(0)],
    ["tokenizer.ggml.eos_token_id", id(0)],
    ["tokenizer.ggml.add_bos_token", { type: "bool", value: false }],
  ]);
}
