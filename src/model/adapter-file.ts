/**
 * Opens adapters on disk: PEFT's directories (`adapter_config.json`, `adapter_model.safetensors`) and llama.cpp's GGUF
 * files. Only headers are read here; whether an adapter fits a model is decided in `adapter-source.ts`.
 */
import { readdir, readFile, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { LabError } from "../base/errors.ts";
import { listOf } from "../base/suggest.ts";
import { ggufNumber, ggufString } from "../checkpoint/gguf-values.ts";
import { openGguf } from "../checkpoint/gguf.ts";
import { openSafetensors } from "../checkpoint/safetensors.ts";
import type { TensorEntry } from "../checkpoint/types.ts";
import type { DType } from "../engine/dtypes.ts";
import { configFromPeft, type LoraConfig } from "./adapter-config.ts";
import { scaleOfModule } from "./adapter-targets.ts";
import { GGUF_ARCHITECTURE } from "./config-gguf.ts";

export const ADAPTER_CONFIG_FILE = "adapter_config.json";
export const ADAPTER_FILE = "adapter_model.safetensors";

/** What an adapter file holds for one module. */
export interface StoredModule {
  readonly a: TensorEntry; // [r, K]
  readonly b: TensorEntry; // [M, r]
  /** DoRA's length of each row. */
  readonly magnitude?: TensorEntry; // [M]
  readonly rank: number;
  readonly scale: number;
}

export interface StoredAdapter {
  /** As it was opened: a directory or a file. */
  readonly path: string;
  readonly format: "peft" | "gguf";
  /** What PEFT's file says; GGUF says nothing but alpha. */
  readonly config: LoraConfig | undefined;
  /** What it was made for, in the words of whoever made it. */
  readonly baseModel: string | undefined;
  /** By the name that the module has in the file. */
  readonly modules: ReadonlyMap<string, StoredModule>;
  /** What a person should know. */
  readonly notes: readonly string[];
}

/**
 * Reads the headers of an adapter.
 *
 * @param path - PEFT's directory, or one of the files in it, or a .gguf file
 * @throws LabError `not_found`, `corrupt_file` for tensors that do not belong together, `unsupported` for methods and
 *   settings that philab does not have, `bad_input` where a directory holds several adapters
 */
export async function openAdapter(path: string): Promise<StoredAdapter> {
  try {
    if ((await stat(path)).isDirectory()) return await openPeft(path, path);
    if (/\.gguf$/i.test(path)) return openGgufAdapter(path);
    if ([ADAPTER_CONFIG_FILE, ADAPTER_FILE].includes(basename(path)))
      return await openPeft(path, dirname(path));
  } catch (error) {
    throw LabError.from(error);
  }
  throw new LabError("unsupported", `${path} is no adapter that philab knows by its name`, {
    hint: `Give a directory with ${ADAPTER_CONFIG_FILE}, or a .gguf file.`,
  });
}

async function openPeft(path: string, directory: string): Promise<StoredAdapter> {
  const names = await readdir(directory);
  if (!names.includes(ADAPTER_CONFIG_FILE)) throw await noConfig(directory, names);
  const configFile = join(directory, ADAPTER_CONFIG_FILE);
  const { config, notes } = configFromPeft(await readJson(configFile), configFile);
  if (!names.includes(ADAPTER_FILE)) throw noTensors(directory, names);
  const { tensors, otherTensors } = await openSafetensors(join(directory, ADAPTER_FILE));
  const [[other, type] = []] = otherTensors;
  if (other !== undefined) throw wrongType(directory, other, type ?? "");
  const modules = new Map<string, StoredModule>();
  for (const [name, parts] of collect(tensors, peftPart, directory)) {
    const { a, b, magnitude } = requirePair(parts, name, directory);
    const { rank, scale } = scaleOfModule(config, name);
    requireRank({ a, b }, rank, directory);
    requireScale(scale, name, directory);
    if ((magnitude !== undefined) !== config.useDora)
      throw new LabError(
        "corrupt_file",
        `${directory}: ${name} ${config.useDora ? "has no" : "has a"} lora_magnitude_vector, and use_dora is ${config.useDora}`,
      );
    modules.set(name, { a, b, rank, scale, ...(magnitude === undefined ? {} : { magnitude }) });
  }
  return { path, format: "peft", config, baseModel: config.baseModel, modules, notes };
}

function openGgufAdapter(path: string): StoredAdapter {
  const { tensors, metadata } = openGguf(path);
  const expected = {
    "general.type": "adapter",
    "adapter.type": "lora",
    "general.architecture": GGUF_ARCHITECTURE,
  };
  for (const [key, wanted] of Object.entries(expected)) {
    const found = ggufString(metadata, key);
    if (found !== wanted)
      throw new LabError(
        "unsupported",
        `${path} is no LoRA adapter for Phi: its ${key} is ${found ?? "missing"}, not ${wanted}`,
      );
  }
  if (metadata.has("adapter.alora.invocation_tokens"))
    throw new LabError(
      "unsupported",
      `${path} asks for adapter.alora.invocation_tokens: not supported`,
    );
  const alpha = ggufNumber(metadata, "adapter.lora.alpha") ?? 0;
  const modules = new Map<string, StoredModule>();
  for (const [name, parts] of collect(tensors, ggufPart, path)) {
    const { a, b } = requirePair(parts, name, path);
    const [rank = 0] = a.shape;
    requireRank({ a, b }, rank, path);
    // Without an alpha llama.cpp takes the product as it is.
    const scale = alpha === 0 ? 1 : alpha / rank;
    requireScale(scale, name, path);
    modules.set(name, { a, b, rank, scale });
  }
  const baseModel = ggufString(metadata, "general.base_model.0.name");
  return { path, format: "gguf", config: undefined, baseModel, modules, notes: [] };
}

type Part = "a" | "b" | "magnitude";
type Parts = Partial<Record<Part, TensorEntry>>;

/** `base_model.model.model.layers.0.mlp.fc1.lora_A.weight`; some programs leave the adapter's name `default` inside. */
function peftPart(tensor: string): { module: string; part: Part } | undefined {
  const [, module, kind] =
    /^(?:base_model\.model\.)?(.+)\.(lora_A|lora_B|lora_magnitude_vector)(?:\.default)?(?:\.weight)?$/.exec(
      tensor,
    ) ?? [];
  if (module === undefined) return undefined;
  return { module, part: kind === "lora_A" ? "a" : kind === "lora_B" ? "b" : "magnitude" };
}

/** `blk.0.ffn_up.weight.lora_a` */
function ggufPart(tensor: string): { module: string; part: Part } | undefined {
  const [, module, part] = /^(.+)\.weight\.lora_([ab])$/.exec(tensor) ?? [];
  return module === undefined ? undefined : { module, part: part as Part };
}

/** The tensors of each module. */
function collect(
  tensors: ReadonlyMap<string, TensorEntry>,
  partOf: typeof peftPart,
  path: string,
): Map<string, Parts> {
  const modules = new Map<string, Parts>();
  for (const [name, entry] of tensors) {
    const found = partOf(name);
    if (found === undefined) throw unexpectedTensor(path, name);
    if (WITHOUT_VALUES.has(entry.dtype)) throw wrongType(path, name, entry.dtype);
    const parts = modules.get(found.module) ?? {};
    if (parts[found.part] !== undefined)
      throw new LabError("corrupt_file", `${path}: ${name} is there twice`);
    modules.set(found.module, { ...parts, [found.part]: entry });
  }
  if (modules.size > 0) return modules;
  throw new LabError("corrupt_file", `${path} holds no tensors of an adapter`);
}

const WITHOUT_VALUES: ReadonlySet<DType> = new Set(["i8", "i16", "i32", "i64", "f64"]);

function requirePair(
  { a, b, magnitude }: Parts,
  module: string,
  path: string,
): { a: TensorEntry; b: TensorEntry; magnitude: TensorEntry | undefined } {
  if (a !== undefined && b !== undefined) return { a, b, magnitude };
  const present = a === undefined ? (b === undefined ? "lora_magnitude_vector" : "B") : "A";
  throw new LabError(
    "corrupt_file",
    `${path}: ${module} has ${present} and no ${a === undefined ? "A" : "B"}`,
    { hint: "The file is incomplete: save or copy the adapter again." },
  );
}

/** A must be [r, K] and B [M, r]. */
function requireRank({ a, b }: { a: TensorEntry; b: TensorEntry }, rank: number, path: string) {
  if (a.shape.length === 2 && b.shape.length === 2 && a.shape[0] === rank && b.shape[1] === rank)
    return;
  throw new LabError(
    "corrupt_file",
    `${path}: ${a.name} is [${a.shape.join(", ")}] and ${b.name} is [${b.shape.join(", ")}], of which rank ${rank} wants [${rank}, inputs] and [outputs, ${rank}]`,
    { hint: "Tensors and configuration belong to different adapters, or one of them is damaged." },
  );
}

/** It is used as a 32-bit number. */
function requireScale(scale: number, module: string, path: string): void {
  if (!Number.isFinite(Math.fround(scale)))
    throw new LabError("corrupt_file", `${path}: the scale of ${module} is ${scale}`);
}

async function readJson(path: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(path, "utf8"));
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new LabError("corrupt_file", `${path} is no JSON: ${error.message}`, { cause: error });
  }
}

/** PEFT saves every adapter but the first in a folder of its name. */
async function noConfig(directory: string, names: readonly string[]): Promise<LabError> {
  const inside: string[] = [];
  for (const name of [...names].sort()) {
    const found = await stat(join(directory, name, ADAPTER_CONFIG_FILE)).catch(() => undefined);
    if (found?.isFile() === true) inside.push(join(directory, name));
  }
  if (inside.length > 0)
    return new LabError("bad_input", `${directory} holds its adapters in folders`, {
      hint: `Name one: ${listOf(inside, "or")}.`,
    });
  return new LabError("not_found", `${directory} has no ${ADAPTER_CONFIG_FILE}`, {
    hint: `An adapter is a directory with ${ADAPTER_CONFIG_FILE} and ${ADAPTER_FILE}, or a .gguf file.`,
  });
}

function noTensors(directory: string, names: readonly string[]): LabError {
  if (names.includes("adapter_model.bin"))
    return new LabError(
      "unsupported",
      `${join(directory, "adapter_model.bin")} is a Python pickle, which can run code when it is read`,
      { hint: "Save the adapter again: save_pretrained(…, safe_serialization=True)." },
    );
  return new LabError("not_found", `${directory} has no ${ADAPTER_FILE}`);
}

function unexpectedTensor(path: string, name: string): LabError {
  if (/\.lora_embedding_[AB]$/.test(name))
    return new LabError("unsupported", `${path}: ${name} changes an embedding`, {
      hint: "philab applies adapters to linear layers.",
    });
  if (name.includes("lora_"))
    return new LabError("unsupported", `${path}: ${name} is no tensor that philab knows`);
  return new LabError("unsupported", `${path} holds a whole weight besides the adapter: ${name}`, {
    hint: "PEFT adds the embeddings where they are targets; save_pretrained(…, save_embedding_layers=False) leaves them out.",
  });
}

function wrongType(path: string, name: string, type: string): LabError {
  return new LabError("unsupported", `${path}: ${name} is stored as ${type}`, {
    hint: "Adapters are read as f32, f16, bf16 or a type that ggml quantises to.",
  });
}
