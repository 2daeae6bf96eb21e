/** What converting and quantising have in common: a plan of tensors, streamed into a file, with progress. */
import { lstat } from "node:fs/promises";
import { basename, dirname, resolve } from "node:path";
import { LabError } from "../base/errors.ts";
import { ggufValue } from "../checkpoint/gguf-values.ts";
import type { TensorData } from "../checkpoint/tensor-data.ts";
import type { Checkpoint, GgufValue, TensorSpec } from "../checkpoint/types.ts";
import { DTYPES, tensorBytes, type DType } from "../engine/dtypes.ts";
import { toGgufMetadata, GGUF_ARCHITECTURE } from "./config-gguf.ts";
import type { PhiConfig } from "./config.ts";
import { tokenizerToGguf } from "./gguf-tokenizer.ts";
import { countParameters, type ParameterSource } from "./parameters.ts";
import { recode, type RowChange } from "./recode.ts";

/** How far a conversion has come; bytes are those of the new file. */
export interface TensorProgress {
  tensor: string;
  index: number;
  count: number;
  bytesDone: number;
  bytesTotal: number;
}

export interface WriteOptions {
  /** Whether an existing file or directory of the target's name may be replaced. */
  replace?: boolean;
  signal?: AbortSignal;
  onProgress?: (progress: TensorProgress) => void;
}

/** One tensor of the new file and where its values come from. */
export interface PlannedTensor extends TensorSpec {
  source: ParameterSource;
  /** What is done to its rows on the way; asked for when its turn has come. */
  change?: () => Promise<RowChange>;
}

/** What became of one tensor. */
export interface WrittenTensor extends TensorSpec {
  /** Element type before. */
  from: DType;
  /** The type that was asked for, where its blocks do not divide the rows and another was taken. */
  wanted?: DType;
}

/** Types that stand in where a row is no whole number of blocks: llama.cpp's. */
const FALLBACKS: Partial<Record<DType, DType>> = {
  q2_k: "q4_0",
  q3_k: "q4_0",
  q4_k: "q5_0",
  q5_k: "q5_1",
  q6_k: "q8_0",
  iq4_xs: "iq4_nl",
  tq1_0: "q4_0",
  tq2_0: "q4_0",
};

/** `wanted`, or the nearest type whose blocks divide rows of `rowLength`; f16 fits any. */
export function fittingType(wanted: DType, rowLength: number): DType {
  const divides = (dtype: DType) => rowLength % DTYPES[dtype].blockSize === 0;
  if (divides(wanted)) return wanted;
  const fallback = FALLBACKS[wanted];
  return fallback !== undefined && divides(fallback) ? fallback : "f16";
}

/** The bytes of planned tensors, with progress after every chunk. */
export function plannedData(
  plan: readonly PlannedTensor[],
  { signal, onProgress }: WriteOptions,
): TensorData {
  const bytesTotal = plannedBytes(plan);
  const order = new Map(plan.map(({ name }, index) => [name, index]));
  let bytesDone = 0;
  return async function* ({ name }) {
    const index = order.get(name) ?? 0;
    const planned = plan[index];
    if (planned === undefined) return;
    const change = await planned.change?.();
    for await (const bytes of recode(planned.source, planned.dtype, { signal, change })) {
      yield bytes;
      bytesDone += bytes.length;
      onProgress?.({ tensor: name, index, count: plan.length, bytesDone, bytesTotal });
    }
  };
}

export function plannedBytes(plan: readonly TensorSpec[]): number {
  return plan.reduce((sum, { dtype, shape }) => sum + tensorBytes(dtype, shape), 0);
}

/** Throws `bad_input` where `path` exists and may not be replaced. */
export async function requireTarget(path: string, replace = false): Promise<void> {
  const found = await lstat(path).catch(() => undefined);
  if (found !== undefined && !replace)
    throw new LabError("bad_input", `${path} exists already`, {
      hint: "Choose another name, or allow replacing it (--replace).",
    });
}

/** llama.cpp's numbers for files by the type of most of their matrices. */
const FILE_TYPES: Partial<Record<DType, number>> = {
  f32: 0,
  f16: 1,
  q4_0: 2,
  q4_1: 3,
  q8_0: 7,
  q5_0: 8,
  q5_1: 9,
  q2_k: 10,
  q3_k: 11,
  q4_k: 14,
  q5_k: 16,
  q6_k: 18,
  iq4_nl: 25,
  iq4_xs: 30,
  bf16: 32,
};
const UNNAMED_FILE_TYPE = 1024;

/** `general.file_type` of a file whose matrices are mostly `dtype`. */
export function fileTypeOf(dtype: DType): number {
  return FILE_TYPES[dtype] ?? UNNAMED_FILE_TYPE;
}

/** ggml's GGML_QNT_VERSION. */
const QUANTIZATION_VERSION = 2;

/**
 * The metadata of a GGUF file for `checkpoint`: that of a GGUF source is kept, a Hugging Face directory gets what
 * llama.cpp's converter would write.
 */
export async function metadataFor(
  checkpoint: Checkpoint,
  config: PhiConfig,
  fileType: number,
): Promise<Map<string, GgufValue>> {
  const { string, uint32 } = ggufValue;
  const stored: [string, GgufValue][] = [
    ["general.file_type", uint32(fileType)],
    ["general.quantization_version", uint32(QUANTIZATION_VERSION)],
  ];
  if (checkpoint.format === "gguf") return new Map([...checkpoint.metadata, ...stored]);
  return new Map([
    ["general.architecture", string(GGUF_ARCHITECTURE)],
    ["general.type", string("model")],
    ["general.name", string(basename(modelDirectory(checkpoint)))],
    ["general.size_label", string(sizeLabel(countParameters(config)))],
    ...toGgufMetadata(config),
    ...stored,
    ...(await tokenizerToGguf(modelDirectory(checkpoint), config)),
  ]);
}

/** The absolute directory of a checkpoint's files. */
export function modelDirectory({ tensors, path }: Checkpoint): string {
  const [first] = tensors.values();
  return first === undefined ? resolve(path) : dirname(first.file);
}

/** `2.8B`, `2.2M`: two digits, as in names of GGUF files. */
function sizeLabel(parameters: number): string {
  const units: [number, string][] = [
    [1e12, "T"],
    [1e9, "B"],
    [1e6, "M"],
    [1e3, "K"],
  ];
  const [scale, unit] = units.find(([least]) => parameters >= least) ?? [1e3, "K"];
  const scaled = parameters / scale;
  return `${scaled.toFixed(scaled < 9.5 ? 1 : 0)}${unit}`;
}
