/**
 * SAELens' files: `cfg.json` and `sae_weights.safetensors` in a folder (SAELens 6, `SAE.save_model`, `SAE.load_from_disk`).
 * Its matrices multiply from the right: `W_enc` `[I, S]`, `W_dec` `[S, O]`.
 */
import { readFile } from "node:fs/promises";
import path from "node:path";
import { z } from "zod";
import { writeDirectoryAtomic, writeTextAtomic } from "../base/atomic.ts";
import { LabError } from "../base/errors.ts";
import { toJson, type JsonObject } from "../base/json.ts";
import { openSafetensors, readTensor, writeSafetensors } from "../checkpoint/index.ts";
import { dequantizeRows, quantizeRows } from "../engine/quantize.ts";
import type { HookPoint } from "../model/hook-points.ts";
import { formatShape, sameShape } from "../tensor/shape.ts";
import type { Activation, Dictionary } from "./dictionary.ts";

const CONFIG_FILE = "cfg.json";
const WEIGHTS_FILE = "sae_weights.safetensors";
/** Whose form the configuration has. */
const FORMAT_VERSION = "6.0.0";

const KNOWN = {
  standard: "sae",
  topk: "sae",
  jumprelu: "sae",
  transcoder: "transcoder",
  jumprelu_transcoder: "transcoder",
} as const satisfies Record<string, Dictionary["kind"]>;

const configSchema = z.looseObject({
  architecture: z.string(),
  d_in: z.int().min(1),
  d_sae: z.int().min(1),
  d_out: z.int().min(1).optional(),
  k: z.number().optional(),
  apply_b_dec_to_input: z.boolean().optional(),
  rescale_acts_by_decoder_norm: z.boolean().optional(),
  normalize_activations: z.string().optional(),
  reshape_activations: z.string().optional(),
  metadata: z.record(z.string(), z.json()).optional(),
  /** Where it stood before SAELens 6. */
  hook_name: z.string().optional(),
});

/** How weights are kept in a file, under SAELens' names. SAELens computes with either in 32 bits. */
export const FILE_TYPES = { float32: "f32", float16: "f16" } as const;
export type FileType = keyof typeof FILE_TYPES;

/** A dictionary as it is once it was written and read again. */
export async function rounded(dictionary: Dictionary, dtype: FileType): Promise<Dictionary> {
  if (dtype === "float32") return dictionary;
  const own = async (values: Float32Array): Promise<Float32Array> =>
    dequantizeRows("f16", await quantizeRows("f16", values, values.length), values.length);
  const { threshold } = dictionary;
  return {
    ...dictionary,
    encoder: await own(dictionary.encoder),
    encoderBias: await own(dictionary.encoderBias),
    decoder: await own(dictionary.decoder),
    decoderBias: await own(dictionary.decoderBias),
    threshold: threshold === undefined ? undefined : await own(threshold),
  };
}

/** Writes a dictionary as a folder that SAELens opens; `more` are files beside it. */
export async function writeDictionary(
  folder: string,
  dictionary: Dictionary,
  {
    dtype = "float32",
    more = {},
    replace = false,
  }: { dtype?: FileType; more?: Readonly<Record<string, string>>; replace?: boolean } = {},
): Promise<void> {
  const { sizes, threshold } = dictionary;
  const tensors: Record<string, { shape: number[]; values: Float32Array }> = {
    W_enc: {
      shape: [sizes.input, sizes.latents],
      values: transposed(dictionary.encoder, sizes.latents, sizes.input),
    },
    b_enc: { shape: [sizes.latents], values: dictionary.encoderBias },
    W_dec: { shape: [sizes.latents, sizes.output], values: dictionary.decoder },
    b_dec: { shape: [sizes.output], values: dictionary.decoderBias },
    ...(threshold === undefined
      ? {}
      : { threshold: { shape: [sizes.latents], values: threshold } }),
  };
  const type = FILE_TYPES[dtype];
  const specs = Object.entries(tensors).map(([name, { shape }]) => ({ name, shape, dtype: type }));
  const bytesOf = async function* ({ name }: { name: string }): AsyncGenerator<Uint8Array> {
    const { values } = tensors[name] as { values: Float32Array };
    yield await quantizeRows(type, values, values.length);
  };
  await writeDirectoryAtomic(
    folder,
    async (temporary) => {
      await writeSafetensors(path.join(temporary, WEIGHTS_FILE), specs, bytesOf);
      const config = `${toJson(configOf(dictionary), 2)}\n`;
      await writeTextAtomic(path.join(temporary, CONFIG_FILE), config);
      for (const [name, text] of Object.entries(more))
        await writeTextAtomic(path.join(temporary, name), text);
    },
    { replace },
  );
}

function configOf(dictionary: Dictionary): JsonObject {
  const { kind, activation, sizes, centred, metadata } = dictionary;
  if (kind === "transcoder" && activation.name === "topk")
    throw new LabError("unsupported", "SAELens has no transcoders with TopK");
  const plain = activation.name === "relu" ? "standard" : activation.name;
  const suffix = activation.name === "relu" ? "transcoder" : `${plain}_transcoder`;
  return {
    architecture: kind === "sae" ? plain : suffix,
    d_in: sizes.input,
    d_sae: sizes.latents,
    ...(kind === "transcoder" ? { d_out: sizes.output } : {}),
    ...(activation.name === "topk" ? { k: activation.k, rescale_acts_by_decoder_norm: false } : {}),
    dtype: "float32",
    device: "cpu",
    apply_b_dec_to_input: centred,
    normalize_activations: "none",
    reshape_activations: "none",
    metadata: {
      // Without it SAELens takes a file for one of before 6.0, and forgets the hook.
      sae_lens_version: FORMAT_VERSION,
      ...metadata,
      hook_name: dictionary.input,
      ...(kind === "transcoder" ? { hook_name_out: dictionary.output } : {}),
    },
  };
}

/** What a folder's configuration says, without its weights. */
export interface DictionaryFacts extends Pick<
  Dictionary,
  "kind" | "input" | "output" | "metadata"
> {
  /** SAELens' name. */
  architecture: string;
  latents: number;
  k: number | null;
}

/** @throws LabError as `readDictionary` */
export async function readDictionaryFacts(folder: string): Promise<DictionaryFacts> {
  const file = path.join(folder, CONFIG_FILE);
  const config = parseConfig(await configText(folder, file), file);
  const kind = kindOf(config, file);
  return {
    ...{ kind, ...hooksOf(config, kind, file), metadata: config.metadata ?? {} },
    ...{ architecture: config.architecture, latents: config.d_sae, k: config.k ?? null },
  };
}

async function configText(folder: string, file: string): Promise<string> {
  return readFile(file, "utf8").catch((error: unknown) => {
    const found = LabError.from(error);
    throw found.code === "not_found"
      ? new LabError("not_found", `${folder} holds no dictionary: there is no ${CONFIG_FILE}`, {
          hint: "Give a folder that philab sae train or SAELens wrote.",
        })
      : found;
  });
}

/**
 * Reads a folder of SAELens.
 *
 * @throws LabError `not_found`; `corrupt_file` for files that do not fit each other and for weights that are not finite;
 *   `unsupported` for architectures that philab does not compute
 */
export async function readDictionary(folder: string): Promise<Dictionary> {
  const file = path.join(folder, CONFIG_FILE);
  const config = parseConfig(await configText(folder, file), file);
  const kind = kindOf(config, file);
  const sizes = {
    latents: config.d_sae,
    input: config.d_in,
    output: kind === "sae" ? config.d_in : (config.d_out ?? config.d_in),
  };
  const weights = path.join(folder, WEIGHTS_FILE);
  const { tensors } = await openSafetensors(weights);
  const read = async (name: string, shape: readonly number[]): Promise<Float32Array> => {
    const entry = tensors.get(name);
    if (entry === undefined) throw new LabError("corrupt_file", `${weights}: ${name} is missing`);
    if (!sameShape(entry.shape, shape))
      throw new LabError(
        "corrupt_file",
        `${weights}: ${name} is ${formatShape(entry.shape)}; ${CONFIG_FILE} says ${formatShape(shape)}`,
      );
    const values = dequantizeRows(
      entry.dtype,
      await readTensor(entry),
      entry.shape.reduce((a, b) => a * b, 1),
    );
    const wrong = values.findIndex((value) => !Number.isFinite(value));
    if (wrong < 0) return values;
    const latent = name === "W_enc" ? wrong % sizes.latents : Math.floor(wrong / sizes.output);
    throw new LabError(
      "corrupt_file",
      `${weights}: ${name} has values that are no finite numbers${name === "b_dec" ? "" : `, the first in feature ${name.startsWith("W") ? latent : wrong}`}`,
    );
  };
  const { architecture } = config;
  const hasThreshold = architecture.startsWith("jumprelu");
  const dictionary: Dictionary = {
    kind,
    activation: activationOf(config, file),
    ...hooksOf(config, kind, file),
    sizes,
    centred: kind === "sae" && (config.apply_b_dec_to_input ?? true),
    encoder: transposed(
      await read("W_enc", [sizes.input, sizes.latents]),
      sizes.input,
      sizes.latents,
    ),
    encoderBias: await read("b_enc", [sizes.latents]),
    decoder: await read("W_dec", [sizes.latents, sizes.output]),
    decoderBias: await read("b_dec", [sizes.output]),
    threshold: hasThreshold ? await read("threshold", [sizes.latents]) : undefined,
    metadata: config.metadata ?? {},
  };
  if (architecture === "topk" && (config.rescale_acts_by_decoder_norm ?? true))
    unitDecoder(dictionary);
  return dictionary;
}

type Config = z.output<typeof configSchema>;

function parseConfig(text: string, file: string): Config {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new LabError("corrupt_file", `${file} is no JSON: ${(error as Error).message}`);
  }
  const parsed = configSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new LabError("corrupt_file", `${file}: ${issue?.path.join(".")}: ${issue?.message}`);
}

function kindOf(config: Config, file: string): Dictionary["kind"] {
  const kind = (KNOWN as Partial<Record<string, Dictionary["kind"]>>)[config.architecture];
  if (kind === undefined)
    throw new LabError("unsupported", `${file}: the architecture ${config.architecture}`, {
      hint: `philab computes ${Object.keys(KNOWN).join(", ")}.`,
    });
  const { normalize_activations: scaled = "none", reshape_activations: shaped = "none" } = config;
  if (scaled !== "none" || shaped !== "none")
    throw new LabError(
      "unsupported",
      `${file}: activations that are ${scaled !== "none" ? `scaled (${scaled})` : `reshaped (${shaped})`} first`,
      {
        hint: "Fold the scale into the weights with SAELens (fold_activation_norm_scaling_factor).",
      },
    );
  return kind;
}

function activationOf({ architecture, k, d_sae: latents }: Config, file: string): Activation {
  if (architecture === "topk") {
    if (k === undefined || !Number.isInteger(k) || k < 1 || k > latents)
      throw new LabError("corrupt_file", `${file}: k is ${k} for ${latents} features`);
    return { name: "topk", k };
  }
  return { name: architecture.startsWith("jumprelu") ? "jumprelu" : "relu" };
}

function hooksOf(
  { metadata = {}, hook_name: before }: Config,
  kind: Dictionary["kind"],
  file: string,
): { input: HookPoint; output: HookPoint } {
  const { hook_name: input = before, hook_name_out: written } = metadata;
  const output = kind === "sae" ? input : written;
  if (typeof input !== "string" || typeof output !== "string")
    throw new LabError("corrupt_file", `${file} does not say which hook it is of`, {
      hint: "metadata.hook_name, and hook_name_out for a transcoder.",
    });
  // What a model does not have is refused where it is used with one.
  return { input: input as HookPoint, output: output as HookPoint };
}

/** SAELens may choose the largest values times the decoder's norm: the same with unit rows, and the norm in what is read. */
function unitDecoder({ sizes, encoder, encoderBias, decoder }: Dictionary): void {
  for (let s = 0; s < sizes.latents; s++) {
    const row = decoder.subarray(s * sizes.output, (s + 1) * sizes.output);
    const norm = Math.hypot(...row);
    if (norm === 0) continue;
    for (let o = 0; o < row.length; o++) row[o] = (row[o] as number) / norm;
    const read = encoder.subarray(s * sizes.input, (s + 1) * sizes.input);
    for (let i = 0; i < read.length; i++) read[i] = (read[i] as number) * norm;
    encoderBias[s] = (encoderBias[s] as number) * norm;
  }
}

/** `[rows, columns]` → `[columns, rows]` */
function transposed(values: Float32Array, rows: number, columns: number): Float32Array {
  const result = new Float32Array(values.length);
  for (let r = 0; r < rows; r++)
    for (let c = 0; c < columns; c++) result[c * rows + r] = values[r * columns + c] as number;
  return result;
}
