/**
 * Quantisation of a whole model with llama.cpp's mixture of types for Phi (`llama_model_quantize`, src/llama-quant.cpp):
 * the tensors that suffer most from rounding keep more bits.
 */
import { LabError } from "../base/errors.ts";
import { writeGguf } from "../checkpoint/gguf-write.ts";
import { openCheckpoint } from "../checkpoint/open.ts";
import type { Checkpoint, TensorSpec } from "../checkpoint/types.ts";
import { isQuantized, type DType } from "../engine/dtypes.ts";
import { configFromCheckpoint, type PhiConfig } from "./config.ts";
import { GGUF_LAYOUT, locate } from "./layouts.ts";
import { resolveParameters, type ParameterSource } from "./parameters.ts";
import {
  fittingType,
  metadataFor,
  plannedBytes,
  plannedData,
  requireTarget,
  type PlannedTensor,
  type WriteOptions,
  type WrittenTensor,
} from "./write-model.ts";

interface Mixture {
  /** Most matrices. */
  base: DType;
  /** `attn_v` (or `attn_qkv`) and `ffn_down` in about half of the layers. */
  sensitive: DType;
  /** `output.weight`. */
  output: DType;
  /** `general.file_type`. */
  fileType: number;
}

const MIXTURES = {
  f16: { base: "f16", sensitive: "f16", output: "f16", fileType: 1 },
  q8_0: { base: "q8_0", sensitive: "q8_0", output: "q8_0", fileType: 7 },
  q6_k: { base: "q6_k", sensitive: "q6_k", output: "q6_k", fileType: 18 },
  q5_k_m: { base: "q5_k", sensitive: "q6_k", output: "q6_k", fileType: 17 },
  q4_k_m: { base: "q4_k", sensitive: "q6_k", output: "q6_k", fileType: 15 },
  q4_0: { base: "q4_0", sensitive: "q4_0", output: "q6_k", fileType: 2 },
} as const satisfies Record<string, Mixture>;

export type Quantization = keyof typeof MIXTURES;

/** From the largest to the smallest file. */
export const QUANTIZATIONS = Object.keys(MIXTURES) as Quantization[];

export interface QuantizeOptions extends WriteOptions {
  /** A model directory or a GGUF file. */
  from: string;
  /** The GGUF file to write. */
  to: string;
  type: Quantization;
  /** Quantise weights that are quantised already: their errors add up. */
  allowRequantize?: boolean;
}

/** What a quantisation makes of a model. */
export interface QuantizationPlan {
  type: Quantization;
  config: PhiConfig;
  /** Every tensor with its type before and after; `wanted` where its rows forced another type. */
  tensors: readonly WrittenTensor[];
  /** Bytes of the values, without the file's header. */
  sourceBytes: number;
  sizeBytes: number;
}

export interface QuantizeResult extends QuantizationPlan {
  path: string;
}

/**
 * What `quantizeModel` would write, from the headers of the files alone.
 *
 * @throws LabError what reading the source throws, `bad_input` where it is quantised already
 */
export async function planQuantization({
  from,
  type,
  allowRequantize = false,
}: Pick<QuantizeOptions, "from" | "type" | "allowRequantize">): Promise<QuantizationPlan> {
  return (await prepare({ from, type, allowRequantize })).summary;
}

/**
 * Writes `from` as a quantised GGUF file, whole or not at all. A GGUF source keeps its tensors' arrangement (one
 * `attn_qkv` or three) and its metadata. Vectors are not quantised.
 *
 * @throws LabError what reading the source throws, `bad_input` where the target exists or the source is quantised
 *   already, `corrupt_file` for weights that are no numbers, `disk_full`, `interrupted`
 */
export async function quantizeModel(options: QuantizeOptions): Promise<QuantizeResult> {
  const { from, to, type, allowRequantize = false, signal } = options;
  await requireTarget(to, options.replace);
  const { checkpoint, plan, summary } = await prepare({ from, type, allowRequantize });
  const metadata = await metadataFor(checkpoint, summary.config, MIXTURES[type].fileType);
  const data = plannedData(plan, options);
  await writeGguf(to, plan, data, { metadata, ...(signal === undefined ? {} : { signal }) });
  return { path: to, ...summary };
}

async function prepare({
  from,
  type,
  allowRequantize,
}: {
  from: string;
  type: Quantization;
  allowRequantize: boolean;
}): Promise<{ checkpoint: Checkpoint; plan: PlannedTensor[]; summary: QuantizationPlan }> {
  const checkpoint = await openCheckpoint(from);
  const config = configFromCheckpoint(checkpoint);
  const found = storedTensors(checkpoint, config);
  if (!allowRequantize) refuseQuantized(from, found);
  const chosen = chooseTypes(found, type);
  const plan = found.map((tensor): PlannedTensor => {
    const { dtype = tensor.dtype } = chosen.get(tensor.name) ?? {};
    return { ...tensor, dtype };
  });
  const summary = {
    ...{ type, config },
    tensors: plan.map(({ source, ...spec }) => ({
      ...spec,
      from: source.entry.dtype,
      ...wantedOf(chosen.get(spec.name)),
    })),
    sourceBytes: plannedBytes(
      found.map(({ source, ...spec }) => ({ ...spec, dtype: source.entry.dtype })),
    ),
    sizeBytes: plannedBytes(plan),
  };
  return { checkpoint, plan, summary };
}

/** The tensors of the new file, in the types that they have before quantisation. */
function storedTensors(checkpoint: Checkpoint, config: PhiConfig): PlannedTensor[] {
  const sources = resolveParameters(checkpoint, config);
  if (checkpoint.format === "gguf")
    return [...checkpoint.tensors.values()].map((entry) => ({
      name: entry.name,
      dtype: entry.dtype,
      shape: entry.shape,
      source: { entry, shape: entry.shape },
    }));
  return [...sources].map(([name, source]: [string, ParameterSource]) => ({
    name: locate(GGUF_LAYOUT, name, config).name,
    dtype: source.shape.length < 2 ? "f32" : source.entry.dtype,
    shape: source.shape,
    source,
  }));
}

function refuseQuantized(from: string, tensors: readonly PlannedTensor[]): void {
  const found = tensors.find(({ source }) => isQuantized(source.entry.dtype));
  if (found === undefined) return;
  const { dtype } = found.source.entry;
  throw new LabError("bad_input", `${from} is quantised already: ${found.name} is ${dtype}`, {
    hint: "Quantise the original, or allow it (--allow-requantize): errors add up.",
  });
}

interface ChosenType {
  dtype: DType;
  wanted: DType;
}

/**
 * The type of every matrix among `tensors` (GGUF names) under llama.cpp's mixture; vectors are not in the result.
 * `wanted` differs from `dtype` where rows are no whole number of blocks.
 */
export function chooseTypes(
  tensors: readonly TensorSpec[],
  type: Quantization,
): Map<string, ChosenType> {
  const { base, sensitive, output } = MIXTURES[type];
  const matrices = tensors.filter(
    ({ name, shape }) => shape.length > 1 && name.endsWith(".weight"),
  );
  const layers = 1 + Math.max(-1, ...matrices.map(({ name }) => layerOf(name)));
  return new Map(
    matrices.map(({ name, shape }) => {
      const suffers = /\.(attn_v|attn_qkv|ffn_down)\.weight$/.test(name);
      const wanted =
        name === "output.weight"
          ? output
          : suffers && keepsMoreBits(layerOf(name), layers)
            ? sensitive
            : base;
      return [name, { dtype: fittingType(wanted, shape.at(-1) ?? 1), wanted }];
    }),
  );
}

function layerOf(name: string): number {
  return Number(/^blk\.(\d+)\./.exec(name)?.[1] ?? -1);
}

/** The first and the last eighth of the layers, and every third between them (llama.cpp's `use_more_bits`). */
function keepsMoreBits(layer: number, layers: number): boolean {
  const eighth = Math.floor(layers / 8);
  const lastEighth = Math.floor((7 * layers) / 8);
  return layer < eighth || layer >= lastEighth || (layer - eighth) % 3 === 2;
}

function wantedOf(chosen: ChosenType | undefined): { wanted?: DType } {
  return chosen === undefined || chosen.wanted === chosen.dtype ? {} : { wanted: chosen.wanted };
}
