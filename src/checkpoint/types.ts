/** What a checkpoint is, whatever its file format: named tensors somewhere in files, metadata, and maybe a configuration. */
import type { DType } from "../engine/dtypes.ts";

/** Where one tensor's bytes lie. */
export interface TensorEntry {
  readonly name: string;
  readonly dtype: DType;
  /** Row-major, as in PyTorch: the last axis is contiguous. `[]` is a single value. */
  readonly shape: readonly number[];
  /** Absolute path. */
  readonly file: string;
  /** From the start of the file. */
  readonly offset: number;
  readonly sizeBytes: number;
}

/** A tensor that is about to be written. */
export type TensorSpec = Pick<TensorEntry, "name" | "dtype" | "shape">;

/** The types of one GGUF metadata value, in the order of their numbers in files; `array` is number 9. */
export const GGUF_TYPES = [
  "uint8",
  "int8",
  "uint16",
  "int16",
  "uint32",
  "int32",
  "float32",
  "bool",
  "string",
  "array",
  "uint64",
  "int64",
  "float64",
] as const;

export type GgufType = (typeof GGUF_TYPES)[number];

/** How the elements of an array are kept: `token_type` of 51,200 tokens takes 200 kB. */
export type GgufArray =
  | { readonly type: "array"; readonly items: "uint8"; readonly value: Uint8Array }
  | { readonly type: "array"; readonly items: "int8"; readonly value: Int8Array }
  | { readonly type: "array"; readonly items: "uint16"; readonly value: Uint16Array }
  | { readonly type: "array"; readonly items: "int16"; readonly value: Int16Array }
  | { readonly type: "array"; readonly items: "uint32"; readonly value: Uint32Array }
  | { readonly type: "array"; readonly items: "int32"; readonly value: Int32Array }
  | { readonly type: "array"; readonly items: "float32"; readonly value: Float32Array }
  | { readonly type: "array"; readonly items: "float64"; readonly value: Float64Array }
  | { readonly type: "array"; readonly items: "uint64"; readonly value: BigUint64Array }
  | { readonly type: "array"; readonly items: "int64"; readonly value: BigInt64Array }
  | { readonly type: "array"; readonly items: "bool"; readonly value: readonly boolean[] }
  | { readonly type: "array"; readonly items: "string"; readonly value: readonly string[] };

/** A GGUF metadata value with the type that it has in the file, so that it can be written back unchanged. */
export type GgufValue =
  | {
      readonly type:
        "uint8" | "int8" | "uint16" | "int16" | "uint32" | "int32" | "float32" | "float64";
      readonly value: number;
    }
  | { readonly type: "uint64" | "int64"; readonly value: bigint }
  | { readonly type: "bool"; readonly value: boolean }
  | { readonly type: "string"; readonly value: string }
  | GgufArray;

interface CheckpointFiles {
  /** As it was opened: a directory or a file. */
  readonly path: string;
  readonly tensors: ReadonlyMap<string, TensorEntry>;
  /** The parsed `config.json` beside the tensors, where there is one. */
  readonly config?: unknown;
}

export interface SafetensorsCheckpoint extends CheckpointFiles {
  readonly format: "safetensors";
  readonly metadata: ReadonlyMap<string, string>;
  /** Tensors of element types that ggml does not have (BOOL, U8, F8_E4M3 …): name and type. They are not in `tensors`. */
  readonly otherTensors: ReadonlyMap<string, string>;
}

export interface GgufCheckpoint extends CheckpointFiles {
  readonly format: "gguf";
  readonly metadata: ReadonlyMap<string, GgufValue>;
}

export type Checkpoint = SafetensorsCheckpoint | GgufCheckpoint;
