/** Writer for safetensors: one file, or a directory of parts with their index. Tensors are streamed, never held. */
import { join } from "node:path";
import { invariant, LabError } from "../base/errors.ts";
import { writeFileAtomic, writeTextAtomic, type AtomicOptions } from "../base/atomic.ts";
import { DTYPES, tensorBytes } from "../engine/dtypes.ts";
import { INDEX_FILE, SINGLE_FILE } from "./open.ts";
import { SAFETENSORS_DTYPES } from "./safetensors.ts";
import { writeTensorData, type TensorData } from "./tensor-data.ts";
import type { TensorSpec } from "./types.ts";

/** As transformers: parts of at most 5 GB. */
export const DEFAULT_PART_BYTES = 5_000_000_000;

/** The header is padded so that a mapped file's tensors lie where vector instructions like them. */
const DATA_ALIGNMENT = 64;

export interface SafetensorsOptions extends Omit<AtomicOptions, "sizeBytes"> {
  metadata?: Readonly<Record<string, string>>;
}

/**
 * Writes one safetensors file, whole or not at all.
 *
 * @param tensors - what it will hold; the widest element types come first in the file
 * @param data - gives each tensor's bytes in turn
 * @throws LabError `unsupported` for element types that the format does not have
 */
export async function writeSafetensors(
  path: string,
  tensors: readonly TensorSpec[],
  data: TensorData,
  options: SafetensorsOptions = {},
): Promise<void> {
  const sorted = widestFirst(tensors);
  const header = encodeHeader(sorted, options.metadata ?? {});
  const sizeBytes = header.length + totalBytes(sorted);
  await writeFileAtomic(
    path,
    async (sink) => {
      await sink.write(header);
      for (const tensor of sorted) await writeTensorData(sink, tensor, data);
    },
    { ...options, sizeBytes },
  );
}

/**
 * Writes `model.safetensors` into `directory`, or parts of at most `maxPartBytes` with their index.
 * A tensor larger than that has a part of its own.
 */
export async function writeSafetensorsParts(
  directory: string,
  tensors: readonly TensorSpec[],
  data: TensorData,
  {
    maxPartBytes = DEFAULT_PART_BYTES,
    ...options
  }: SafetensorsOptions & { maxPartBytes?: number } = {},
): Promise<void> {
  const parts = splitIntoParts(tensors, maxPartBytes);
  if (parts.length === 1) {
    await writeSafetensors(join(directory, SINGLE_FILE), tensors, data, options);
    return;
  }
  const weightMap: Record<string, string> = {};
  for (const [i, part] of parts.entries()) {
    const name = `model-${fiveDigits(i + 1)}-of-${fiveDigits(parts.length)}.safetensors`;
    for (const tensor of part) weightMap[tensor.name] = name;
    await writeSafetensors(join(directory, name), part, data, options);
  }
  const index = { metadata: { total_size: totalBytes(tensors) }, weight_map: weightMap };
  await writeTextAtomic(join(directory, INDEX_FILE), `${JSON.stringify(index, null, 2)}\n`);
}

const fiveDigits = (n: number) => String(n).padStart(5, "0");

function totalBytes(tensors: readonly TensorSpec[]): number {
  return tensors.reduce((sum, { dtype, shape }) => sum + tensorBytes(dtype, shape), 0);
}

/** Keeps every tensor aligned to its element type; the order is otherwise kept. */
function widestFirst(tensors: readonly TensorSpec[]): TensorSpec[] {
  return [...tensors].sort((a, b) => DTYPES[b.dtype].blockBytes - DTYPES[a.dtype].blockBytes);
}

function splitIntoParts(tensors: readonly TensorSpec[], maxPartBytes: number): TensorSpec[][] {
  let part: TensorSpec[] = [];
  let partBytes = 0;
  const parts = [part];
  for (const tensor of tensors) {
    const bytes = tensorBytes(tensor.dtype, tensor.shape);
    if (part.length > 0 && partBytes + bytes > maxPartBytes) {
      parts.push((part = []));
      partBytes = 0;
    }
    part.push(tensor);
    partBytes += bytes;
  }
  return parts;
}

function encodeHeader(
  tensors: readonly TensorSpec[],
  metadata: Readonly<Record<string, string>>,
): Uint8Array {
  const header = new Map<string, unknown>();
  if (Object.keys(metadata).length > 0) header.set("__metadata__", metadata);
  let offset = 0;
  for (const { name, dtype, shape } of tensors) {
    const typeName = SAFETENSORS_DTYPES[dtype];
    if (typeName === undefined)
      throw new LabError("unsupported", `safetensors cannot hold ${name} as ${dtype}`, {
        hint: "Write f32, f16 or bf16, or a GGUF file.",
      });
    invariant(!header.has(name), `tensor ${name} is written once`);
    const end = offset + tensorBytes(dtype, shape);
    header.set(name, { dtype: typeName, shape, data_offsets: [offset, end] });
    offset = end;
  }
  const json = Buffer.from(JSON.stringify(Object.fromEntries(header)));
  const padded = Math.ceil((8 + json.length) / DATA_ALIGNMENT) * DATA_ALIGNMENT;
  const bytes = Buffer.alloc(padded, " ");
  bytes.writeBigUInt64LE(BigInt(padded - 8));
  json.copy(bytes, 8);
  return bytes;
}
