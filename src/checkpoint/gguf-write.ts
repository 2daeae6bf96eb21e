/** Writer for GGUF version 3. Tensors are streamed, never held. */
import { writeFileAtomic, type AtomicOptions } from "../base/atomic.ts";
import { invariant } from "../base/errors.ts";
import { DTYPES, tensorBytes } from "../engine/dtypes.ts";
import { ALIGNMENT_KEY, DEFAULT_ALIGNMENT, GGUF_MAGIC, GGUF_VERSION } from "./gguf.ts";
import { writeTensorData, type TensorData } from "./tensor-data.ts";
import {
  GGUF_TYPES,
  type GgufArray,
  type GgufType,
  type GgufValue,
  type TensorSpec,
} from "./types.ts";

/**
 * Writes one GGUF file, whole or not at all.
 *
 * @param metadata - in the order in which it will stand in the file; `general.alignment` is honoured
 * @param data - gives each tensor's bytes in turn
 */
export async function writeGguf(
  path: string,
  tensors: readonly TensorSpec[],
  data: TensorData,
  {
    metadata = new Map(),
    ...options
  }: Omit<AtomicOptions, "sizeBytes"> & { metadata?: ReadonlyMap<string, GgufValue> } = {},
): Promise<void> {
  const alignment = Number(metadata.get(ALIGNMENT_KEY)?.value ?? DEFAULT_ALIGNMENT);
  const header = encodeHeader(tensors, metadata, alignment);
  const dataBytes = tensors.reduce((sum, spec) => sum + paddedBytes(spec, alignment), 0);
  await writeFileAtomic(
    path,
    async (sink) => {
      await sink.write(header);
      for (const tensor of tensors) {
        await writeTensorData(sink, tensor, data);
        await sink.write(new Uint8Array(padding(sink.position, alignment)));
      }
    },
    { ...options, sizeBytes: header.length + dataBytes },
  );
}

const padding = (position: number, alignment: number) =>
  (alignment - (position % alignment)) % alignment;

function paddedBytes({ dtype, shape }: TensorSpec, alignment: number): number {
  const bytes = tensorBytes(dtype, shape);
  return bytes + padding(bytes, alignment);
}

function encodeHeader(
  tensors: readonly TensorSpec[],
  metadata: ReadonlyMap<string, GgufValue>,
  alignment: number,
): Uint8Array {
  const out = new HeaderBytes();
  out.raw(Buffer.from(GGUF_MAGIC));
  out.uint32(GGUF_VERSION);
  out.uint64(tensors.length);
  out.uint64(metadata.size);
  for (const [key, value] of metadata) {
    out.string(key);
    out.uint32(typeNumber(value.type));
    if (value.type === "array") writeArray(out, value);
    else writeScalar(out, value);
  }
  const names = new Set<string>();
  let offset = 0;
  for (const tensor of tensors) {
    invariant(!names.has(tensor.name), `tensor ${tensor.name} is written once`);
    names.add(tensor.name);
    out.string(tensor.name);
    out.uint32(tensor.shape.length);
    for (const size of [...tensor.shape].reverse()) out.uint64(size);
    out.uint32(DTYPES[tensor.dtype].id);
    out.uint64(offset);
    offset += paddedBytes(tensor, alignment);
  }
  out.raw(new Uint8Array(padding(out.length, alignment)));
  return out.bytes();
}

const typeNumber = (type: GgufType) => GGUF_TYPES.indexOf(type);

function writeScalar(out: HeaderBytes, value: Exclude<GgufValue, GgufArray>): void {
  switch (value.type) {
    case "bool":
      return out.raw(Uint8Array.of(value.value ? 1 : 0));
    case "string":
      return out.string(value.value);
    case "uint64":
      return out.raw(BigUint64Array.of(value.value));
    case "int64":
      return out.raw(BigInt64Array.of(value.value));
    case "uint8":
      return out.raw(Uint8Array.of(value.value));
    case "int8":
      return out.raw(Int8Array.of(value.value));
    case "uint16":
      return out.raw(Uint16Array.of(value.value));
    case "int16":
      return out.raw(Int16Array.of(value.value));
    case "uint32":
      return out.raw(Uint32Array.of(value.value));
    case "int32":
      return out.raw(Int32Array.of(value.value));
    case "float32":
      return out.raw(Float32Array.of(value.value));
    case "float64":
      return out.raw(Float64Array.of(value.value));
  }
}

function writeArray(out: HeaderBytes, array: GgufArray): void {
  out.uint32(typeNumber(array.items));
  out.uint64(array.value.length);
  if (array.items === "string") array.value.forEach((text) => out.string(text));
  else if (array.items === "bool") out.raw(Uint8Array.from(array.value, Number));
  else out.raw(array.value);
}

/** Little-endian bytes that grow at their end. */
class HeaderBytes {
  #buffer = Buffer.alloc(1 << 16);
  length = 0;

  raw(bytes: ArrayBufferView): void {
    this.#reserve(bytes.byteLength);
    const view = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#buffer.set(view, this.length);
    this.length += view.length;
  }

  uint32(value: number): void {
    this.#reserve(4);
    this.length = this.#buffer.writeUInt32LE(value, this.length);
  }

  uint64(value: number): void {
    this.#reserve(8);
    this.length = this.#buffer.writeBigUInt64LE(BigInt(value), this.length);
  }

  string(text: string): void {
    const longest = 3 * text.length;
    this.#reserve(8 + longest);
    const written = this.#buffer.write(text, this.length + 8);
    this.uint64(written);
    this.length += written;
  }

  bytes(): Uint8Array {
    return this.#buffer.subarray(0, this.length);
  }

  #reserve(count: number): void {
    if (this.length + count <= this.#buffer.length) return;
    const larger = Buffer.alloc(2 * (this.#buffer.length + count));
    this.#buffer.copy(larger, 0, 0, this.length);
    this.#buffer = larger;
  }
}
