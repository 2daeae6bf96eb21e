/** A model from one file format, layout or element type to another. */
import { join } from "node:path";
import { writeDirectoryAtomic, writeTextAtomic } from "../base/atomic.ts";
import { LabError } from "../base/errors.ts";
import { writeGguf } from "../checkpoint/gguf-write.ts";
import { CONFIG_FILE, openCheckpoint } from "../checkpoint/open.ts";
import { DEFAULT_PART_BYTES, writeSafetensorsParts } from "../checkpoint/safetensors-write.ts";
import { SAFETENSORS_DTYPES } from "../checkpoint/safetensors.ts";
import type { Checkpoint } from "../checkpoint/types.ts";
import { isQuantized, type DType } from "../engine/dtypes.ts";
import { companionFiles } from "./companions.ts";
import { toHuggingFace } from "./config-huggingface.ts";
import { configFromCheckpoint, type PhiConfig } from "./config.ts";
import { GGUF_LAYOUT, locate } from "./layouts.ts";
import { resolveParameters, type ParameterSource } from "./parameters.ts";
import type { RowChange } from "./recode.ts";
import {
  fileTypeOf,
  fittingType,
  metadataFor,
  plannedBytes,
  plannedData,
  requireTarget,
  type PlannedTensor,
  type WriteOptions,
  type WrittenTensor,
} from "./write-model.ts";

type ModelFormat = "safetensors" | "gguf";

export interface ConvertOptions extends WriteOptions {
  /** A model directory, or a file of weights. */
  from: string;
  /** A directory for safetensors, a file for GGUF. */
  to: string;
  /** Absent: `gguf` where `to` ends in .gguf, else `safetensors`. */
  format?: ModelFormat;
  /**
   * Element type. In safetensors f32, f16 or bf16, for all tensors; in GGUF any type, for matrices, while vectors are f32 as
   * llama.cpp wants them. Absent: every tensor keeps its own, and quantised ones become f32 in safetensors.
   */
  dtype?: DType;
  /** Largest part of a safetensors directory. */
  maxPartBytes?: number;
  /**
   * What is done to parameters on the way (an adapter is merged), by Hugging Face name. Without a `dtype`, quantised ones
   * among them become f16 in GGUF: rounding them to few bits again would lose much of the change.
   */
  changes?: ReadonlyMap<string, () => Promise<RowChange>>;
}

export interface ConvertResult {
  path: string;
  format: ModelFormat;
  config: PhiConfig;
  tensors: readonly WrittenTensor[];
  /** Bytes of all tensors before and after. */
  sourceBytes: number;
  sizeBytes: number;
}

/**
 * Writes the model `from` as `to`, whole or not at all. Tensors are streamed: memory does not grow with the model.
 * Tokenizer and generation settings go along; a GGUF file's tokenizer becomes Hugging Face's files.
 *
 * @throws LabError what reading the source throws, `bad_input` where the target exists, `disk_full`, `interrupted`
 */
export async function convertModel(options: ConvertOptions): Promise<ConvertResult> {
  const { from, to, replace } = options;
  const format = options.format ?? (/\.gguf$/i.test(to) ? "gguf" : "safetensors");
  await requireTarget(to, replace);
  const checkpoint = await openCheckpoint(from);
  const config = configFromCheckpoint(checkpoint);
  const sources = resolveParameters(checkpoint, config);
  const { plan, tensors } =
    format === "gguf" ? planGguf(sources, config, options) : planSafetensors(sources, options);
  if (format === "gguf") {
    const metadata = await metadataFor(checkpoint, config, fileTypeOf(commonType(plan)));
    const { signal } = options;
    const data = plannedData(plan, options);
    await writeGguf(to, plan, data, { metadata, ...(signal === undefined ? {} : { signal }) });
  } else await writeDirectory(checkpoint, config, plan, options);
  return {
    path: to,
    format,
    config,
    tensors,
    sourceBytes: plannedBytes(
      [...sources.values()].map(({ entry, shape }) => ({ ...entry, shape })),
    ),
    sizeBytes: plannedBytes(plan),
  };
}

interface Plan {
  plan: PlannedTensor[];
  tensors: WrittenTensor[];
}

function planGguf(
  sources: ReadonlyMap<string, ParameterSource>,
  config: PhiConfig,
  { dtype, changes }: Pick<ConvertOptions, "dtype" | "changes">,
): Plan {
  const plan: PlannedTensor[] = [];
  const tensors: WrittenTensor[] = [];
  for (const [name, source] of sources) {
    const { shape, entry } = source;
    const change = changes?.get(name);
    const own = entry.dtype === "f64" ? "f32" : entry.dtype;
    const kept = change !== undefined && isQuantized(own) ? "f16" : own;
    const wanted = shape.length < 2 ? "f32" : (dtype ?? kept);
    const spec = {
      name: locate(GGUF_LAYOUT, name, config).name,
      shape,
      dtype: fittingType(wanted, shape.at(-1) ?? 1),
    };
    plan.push({ ...spec, source, ...(change === undefined ? {} : { change }) });
    tensors.push({ ...spec, from: entry.dtype, ...(wanted === spec.dtype ? {} : { wanted }) });
  }
  return { plan, tensors };
}

function planSafetensors(
  sources: ReadonlyMap<string, ParameterSource>,
  { dtype, changes }: Pick<ConvertOptions, "dtype" | "changes">,
): Plan {
  if (dtype !== undefined && !["f32", "f16", "bf16"].includes(dtype))
    throw new LabError("bad_input", `safetensors cannot hold a model as ${dtype}`, {
      hint: "Choose f32, f16 or bf16, or write a GGUF file.",
    });
  const plan = [...sources].map(([name, source]): PlannedTensor => {
    const { shape, entry } = source;
    const own = entry.dtype in SAFETENSORS_DTYPES ? entry.dtype : "f32";
    const change = changes?.get(name);
    const planned = { name, shape, dtype: dtype ?? own, source };
    return change === undefined ? planned : { ...planned, change };
  });
  const tensors = plan.map(({ name, shape, dtype, source }) => ({
    name,
    shape,
    dtype,
    from: source.entry.dtype,
  }));
  return { plan, tensors };
}

/** The type of most values that lie in matrices. */
function commonType(plan: readonly PlannedTensor[]): DType {
  const values = new Map<DType, number>();
  for (const { dtype, shape } of plan)
    if (shape.length > 1)
      values.set(dtype, (values.get(dtype) ?? 0) + shape.reduce((n, d) => n * d, 1));
  const [[most] = ["f32" as const]] = [...values].sort((a, b) => b[1] - a[1]);
  return most;
}

async function writeDirectory(
  checkpoint: Checkpoint,
  config: PhiConfig,
  plan: readonly PlannedTensor[],
  options: ConvertOptions,
): Promise<void> {
  const { to, signal, replace, maxPartBytes = DEFAULT_PART_BYTES } = options;
  const abort = signal === undefined ? {} : { signal };
  const json = toHuggingFace(config, { dtype: commonType(plan), previous: checkpoint.config });
  const write = async (directory: string) => {
    await writeJson(join(directory, CONFIG_FILE), json);
    for (const [name, text] of Object.entries(await companionFiles(checkpoint, config)))
      await writeTextAtomic(join(directory, name), text);
    await writeSafetensorsParts(directory, plan, plannedData(plan, options), {
      metadata: { format: "pt" }, // transformers asks for it
      maxPartBytes,
      ...abort,
    });
  };
  await writeDirectoryAtomic(to, write, {
    sizeBytes: plannedBytes(plan),
    ...abort,
    ...(replace === undefined ? {} : { replace }),
  });
}

async function writeJson(path: string, value: unknown): Promise<void> {
  await writeTextAtomic(path, `${JSON.stringify(value, null, 2)}\n`);
}
