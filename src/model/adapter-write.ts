/** Writes adapters: PEFT's directory, or llama.cpp's GGUF file. Both appear whole or not at all. */
import { join } from "node:path";
import { writeDirectoryAtomic, writeTextAtomic } from "../base/atomic.ts";
import { invariant, LabError } from "../base/errors.ts";
import { ggufValue } from "../checkpoint/gguf-values.ts";
import { writeGguf } from "../checkpoint/gguf-write.ts";
import { writeSafetensors } from "../checkpoint/safetensors-write.ts";
import type { TensorData } from "../checkpoint/tensor-data.ts";
import type { Checkpoint, GgufValue, TensorSpec } from "../checkpoint/types.ts";
import { configToPeft } from "./adapter-config.ts";
import { ADAPTER_CONFIG_FILE, ADAPTER_FILE } from "./adapter-file.ts";
import { fuseProjections } from "./adapter-fuse.ts";
import {
  mostFrequent,
  type AdapterSource,
  type LowRankSource,
  type LowRankValues,
} from "./adapter-source.ts";
import { GGUF_ARCHITECTURE } from "./config-gguf.ts";
import type { PhiConfig } from "./config.ts";
import { GGUF_LAYOUT, locate } from "./layouts.ts";
import { requireTarget } from "./write-model.ts";

export interface WriteAdapterOptions {
  model: PhiConfig;
  /**
   * For GGUF: whether the model's file holds queries, keys and values in one `attn_qkv`. llama.cpp takes an adapter only in
   * the arrangement of the model's file.
   */
  fused?: boolean;
  /** Whether an existing adapter of the target's name may be replaced. */
  replace?: boolean;
  signal?: AbortSignal;
}

/** Whether a model's file holds queries, keys and values in one `attn_qkv`. */
export function hasFusedProjections({ format, tensors }: Checkpoint): boolean {
  return format === "gguf" && tensors.has("blk.0.attn_qkv.weight");
}

/**
 * Writes an adapter in f32: a PEFT directory, or a GGUF file where `to` ends in .gguf.
 *
 * GGUF holds one alpha for all modules and no rsLoRA. Where the scale of a module is another than alpha/r, B takes up the
 * difference.
 *
 * @throws LabError `unsupported` for DoRA in GGUF, `bad_input` where the target exists and for values that are no numbers,
 *   `disk_full`, `interrupted`
 */
export async function writeAdapter(
  adapter: AdapterSource,
  to: string,
  options: WriteAdapterOptions,
): Promise<void> {
  await requireTarget(to, options.replace);
  if (/\.gguf$/i.test(to)) await writeGgufAdapter(adapter, to, options);
  else await writePeft(adapter, to, options);
}

/** How PEFT names a part of a module in a file: that of the model inside its own model. */
export function peftName(name: string): string {
  return `base_model.model.${name}`;
}

async function writePeft(
  adapter: AdapterSource,
  to: string,
  { replace = false, signal }: WriteAdapterOptions,
): Promise<void> {
  const abort = signal === undefined ? {} : { signal };
  const write = (directory: string): Promise<void> => writePeftFiles(adapter, directory, abort);
  await writeDirectoryAtomic(to, write, { replace, ...abort });
}

/** Fills an existing folder as PEFT's `save_pretrained` does. Throws `bad_input` for values that are no numbers. */
export async function writePeftFiles(
  adapter: AdapterSource,
  directory: string,
  abort: { signal?: AbortSignal } = {},
): Promise<void> {
  const tensors = [...adapter.modules].flatMap(([name, source]) => {
    const at = peftName(name);
    const magnitude = `${at}.lora_magnitude_vector`;
    return tensorsOf(source, {
      a: `${at}.lora_A.weight`,
      b: `${at}.lora_B.weight`,
      ...(adapter.config.useDora ? { magnitude } : {}),
    });
  });
  const config = JSON.stringify(configToPeft(adapter.config), null, 2);
  await writeTextAtomic(join(directory, ADAPTER_CONFIG_FILE), `${config}\n`);
  const options = { metadata: { format: "pt" }, ...abort };
  await writeSafetensors(join(directory, ADAPTER_FILE), tensors, dataOf(tensors), options);
}

async function writeGgufAdapter(
  { config, modules, path }: AdapterSource,
  to: string,
  { model, fused = false, signal }: WriteAdapterOptions,
): Promise<void> {
  if (config.useDora)
    throw new LabError("unsupported", `${path} is a DoRA adapter, which GGUF cannot hold`, {
      hint: "Merge it into the model: philab adapter merge.",
    });
  // An alpha of 0 would mean none at all.
  const alpha = Math.fround(mostFrequent([...modules.values()].map((m) => m.scale * m.rank))) || 1;
  const tensors = [...(fused ? fuseProjections(modules, model) : modules)].flatMap(
    ([name, source]) => {
      const stored = ggufName(name, model);
      const names = { a: `${stored}.lora_a`, b: `${stored}.lora_b` };
      return tensorsOf(source, names, (source.scale * source.rank) / alpha);
    },
  );
  const { string, float32, uint32 } = ggufValue;
  const metadata = new Map<string, GgufValue>([
    ["general.architecture", string(GGUF_ARCHITECTURE)],
    ["general.type", string("adapter")],
    ["adapter.type", string("lora")],
    ["adapter.lora.alpha", float32(alpha)],
    ...(config.baseModel === undefined
      ? []
      : [
          ["general.base_model.count", uint32(1)] as const,
          ["general.base_model.0.name", string(config.baseModel)] as const,
        ]),
  ]);
  const abort = signal === undefined ? {} : { signal };
  await writeGguf(to, tensors, dataOf(tensors), { metadata, ...abort });
}

function ggufName(module: string, model: PhiConfig): string {
  const [, layer] = /^model\.layers\.(\d+)\.self_attn\.qkv_proj$/.exec(module) ?? [];
  if (layer !== undefined) return `blk.${layer}.attn_qkv.weight`;
  return locate(GGUF_LAYOUT, `${module}.weight`, model).name;
}

/** A tensor of the new file, whose values are read when its turn has come. */
interface WrittenTensor extends TensorSpec {
  values: () => Promise<Float32Array>;
}

/** A and B of a module under the names of the file, and magnitudes where they have one. `factor` goes into B. */
function tensorsOf(
  { module: { inputs, outputs }, rank, read }: LowRankSource,
  names: { a: string; b: string; magnitude?: string },
  factor = 1,
): WrittenTensor[] {
  const tensor = (name: string, shape: number[], part: keyof LowRankValues): WrittenTensor => ({
    name,
    shape,
    dtype: "f32",
    values: async () => {
      const values = (await read())[part];
      invariant(values !== undefined, `${name} has values`);
      const wrong = values.find((value) => !Number.isFinite(value));
      if (wrong !== undefined)
        throw new LabError("bad_input", `the adapter is not written: ${name} holds ${wrong}`, {
          hint: "It has diverged in training: lower the learning rate.",
        });
      return part === "b" && factor !== 1 ? values.map((value) => value * factor) : values;
    },
  });
  return [
    tensor(names.a, [rank, inputs], "a"),
    tensor(names.b, [outputs, rank], "b"),
    ...(names.magnitude === undefined ? [] : [tensor(names.magnitude, [outputs], "magnitude")]),
  ];
}

function dataOf(tensors: readonly WrittenTensor[]): TensorData {
  const byName = new Map(tensors.map((tensor) => [tensor.name, tensor]));
  return async function* ({ name }) {
    const values = await byName.get(name)?.values();
    if (values !== undefined)
      yield new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  };
}
