/**
 * Where each weight of a model goes: used in the mapped file as it lies, packed for our own kernels or by the backend for faster products, or
 * copied into memory of its own because its type or its order changes.
 */
import type { Mode } from "../base/settings.ts";
import type { Backend, BufferType } from "../engine/backend.ts";
import { DTYPES, type DType } from "../engine/dtypes.ts";
import { isPackable } from "../kernels/weight-formats.ts";
import type { ModelConfig } from "./model-config.ts";
import { isTable, type ParameterSource } from "./parameters.ts";

export interface Placement {
  /** Hugging Face's name; `self_attn.qkv_proj` for queries, keys and values that lie in one matrix. */
  name: string;
  source: ParameterSource;
  dtype: DType;
  /** `interleaved`: packed for our own kernels, in memory of its own. */
  target: "mapped" | "owned" | "interleaved" | BufferType;
}

export interface PlacementOptions {
  mode: Mode;
  /** Whether weights may lie in another order: `own` allows that of our kernels alone, through which gradients pass. */
  repack: boolean | "own";
}

/** Decides for every parameter. Vectors become f32; matrices keep their type in `fast` mode and become f32 in `reference`. */
export function planPlacement(
  sources: ReadonlyMap<string, ParameterSource>,
  config: ModelConfig,
  backend: Backend,
  { mode, repack }: PlacementOptions,
): Placement[] {
  const repackedTypes = backend.repackedBufferTypes;
  const supported = new Map<string, BufferType | undefined>();
  const repackedType = (dtype: DType, [m, k]: [number, number]): BufferType | undefined => {
    const key = `${dtype} ${m} ${k}`;
    if (!supported.has(key))
      supported.set(
        key,
        repackedTypes.find((type) => backend.supportsWeight(type, { dtype, shape: [m, k] })),
      );
    return supported.get(key);
  };

  return [...fuseProjections(sources, config)].map(([name, source]) => {
    const { shape, entry } = source;
    const [m, k] = shape;
    if (m === undefined || k === undefined)
      return { name, source, dtype: "f32", target: "owned" } satisfies Placement;
    const dtype: DType = mode === "reference" || entry.dtype === "f64" ? "f32" : entry.dtype;
    const table = isTable(name);
    const unchanged = dtype === entry.dtype && source.transposed !== true;
    const mayMove = mode === "fast" && repack !== false && unchanged && !table;
    if (mayMove && packs(backend, repack) && isPackable(dtype, [m, k]))
      return { name, source, dtype, target: "interleaved" };
    const repacked = mayMove && repack !== "own" ? repackedType(dtype, [m, k]) : undefined;
    const inPlace = unchanged && contiguousRows(source) !== undefined && isAligned(source);
    const mappable = inPlace && (backend.fallback === undefined || table);
    return { name, source, dtype, target: repacked ?? (mappable ? "mapped" : "owned") };
  });
}

function packs({ kernels }: Backend, repack: PlacementOptions["repack"]): boolean {
  return (repack === "own" ? kernels?.readsPacked : kernels?.multipliesQuantized) === true;
}

/**
 * Whether values can be used where they lie in the file: safetensors may begin a tensor at any byte. The widest fields of
 * quantised blocks are their 16-bit scales.
 */
function isAligned({ entry }: ParameterSource): boolean {
  const { blockSize, blockBytes } = DTYPES[entry.dtype];
  return entry.offset % (blockSize === 1 ? blockBytes : 2) === 0;
}

/** The one range of rows that a source is, or undefined where it is gathered from several. */
export function contiguousRows({
  entry,
  rows,
}: ParameterSource): { start: number; count: number } | undefined {
  if (rows === undefined) return { start: 0, count: entry.shape[0] ?? 1 };
  return rows.length === 1 ? rows[0] : undefined;
}

/** Where q, k and v are the thirds of one matrix, takes them as that matrix: one product instead of three. */
function fuseProjections(
  sources: ReadonlyMap<string, ParameterSource>,
  config: ModelConfig,
): Map<string, ParameterSource> {
  const fused = new Map(sources);
  for (let l = 0; l < config.layers; l++)
    for (const kind of ["weight", "bias"]) {
      const name = (part: string): string => `model.layers.${l}.self_attn.${part}.${kind}`;
      const parts = ["q_proj", "k_proj", "v_proj"].map((part) => sources.get(name(part)));
      const entry = parts[0]?.entry;
      const thirds = parts.every((part, i) => {
        const range = part === undefined ? undefined : contiguousRows(part);
        const inOrder = range?.start === i * config.width && range.count === config.width;
        return part?.entry === entry && inOrder;
      });
      if (entry === undefined || !thirds || entry.shape[0] !== 3 * config.width) continue;
      for (const part of ["q_proj", "k_proj", "v_proj"]) fused.delete(name(part));
      fused.set(name("qkv_proj"), { entry, shape: [...entry.shape] });
    }
  return fused;
}
