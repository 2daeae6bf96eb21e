/**
 * A tensor: a typed handle on a tensor of ggml, with its shape, byte strides and, for results of operations, how it was
 * made. Handles are cheap; the memory belongs to a `TensorStore` (weights, caches) or to the executor of a `Graph`.
 */
import type { Pointer } from "../engine/api.ts";
import { DTYPES, rowBytes, type DType } from "../engine/dtypes.ts";
import { interleaveRows } from "../engine/interleave.ts";
import { dequantizeRows } from "../engine/quantize.ts";
import { library } from "../engine/library.ts";
import { invariant, LabError } from "../base/errors.ts";
import type { Graph } from "./graph.ts";
import { describeShape, elementCount, type Shape } from "./shape.ts";

/** How a tensor was made: the operation, what went in, and the settings that its gradient needs. */
export interface Provenance {
  op: string;
  inputs: readonly Tensor[];
  settings?: unknown;
}

export interface TensorFields {
  pointer: Pointer;
  dtype: DType;
  shape: Shape;
  /** Bytes between neighbours, one per axis, row-major. */
  strides: Shape;
  /** The graph whose operation made it; undefined for weights. */
  graph: Graph | undefined;
  made?: Provenance;
  name?: string;
  /** False where a backend stores the values in an order of its own (repacked weights). */
  readable?: boolean;
  /** Whether the values are packed for our own kernels: then nothing but a product of ours can read them. */
  interleaved?: boolean;
}

let handles = 0;

/** How many handles were made so far: the next one has this `serial`. */
export function handleCount(): number {
  return handles;
}

/**
 * A typed handle on values in native memory: element type, shape (row-major, batch first) and, for results, the operation that
 * made it. The memory belongs to a `TensorStore` or to a `Graph`.
 */
export class Tensor {
  /** Grows from handle to handle: of two, the one that was made first has the smaller number. */
  readonly serial = handles++;
  readonly pointer: Pointer;
  readonly dtype: DType;
  readonly shape: Shape;
  readonly strides: Shape;
  readonly graph: Graph | undefined;
  readonly made: Provenance | undefined;
  readonly name: string | undefined;
  readonly readable: boolean;
  readonly interleaved: boolean;

  constructor(fields: TensorFields) {
    this.pointer = fields.pointer;
    this.dtype = fields.dtype;
    this.shape = fields.shape;
    this.strides = fields.strides;
    this.graph = fields.graph;
    this.made = fields.made;
    this.name = fields.name;
    this.readable = fields.readable ?? true;
    this.interleaved = fields.interleaved ?? false;
  }

  get rank(): number {
    return this.shape.length;
  }

  get size(): number {
    return elementCount(this.shape);
  }

  /** The size of axis `i`; negative axes count from the last. */
  dim(axis: number): number {
    const size = this.shape[axis < 0 ? axis + this.rank : axis];
    if (size === undefined)
      throw new LabError("bad_input", `axis ${axis} of a tensor of shape ${describeShape(this)}`);
    return size;
  }

  get contiguous(): boolean {
    const expected = contiguousStrides(this.dtype, this.shape);
    return this.shape.every((n, i) => n === 1 || this.strides[i] === expected[i]);
  }

  /** Bytes of the values when they lie one after another. */
  get sizeBytes(): number {
    return contiguousBytes(this.dtype, this.shape);
  }

  /** Copies values or ids in; their number and type must be the tensor's. */
  write(values: Float32Array | Int32Array | BigInt64Array | Uint16Array | Uint8Array): void {
    const expected = ARRAY_OF[this.dtype];
    const typeFits =
      values instanceof Uint8Array || (expected !== undefined && values instanceof expected);
    if (!typeFits || values.byteLength !== this.sizeBytes)
      throw new LabError(
        "bad_input",
        `${values.constructor.name} of ${values.length} does not fill ${describeShape(this)}`,
      );
    this.#assertAccessible("write");
    library().api.ggml_backend_tensor_set(this.pointer, values, 0, this.sizeBytes);
  }

  /** Copies raw bytes over a part of the tensor, `offset` bytes from its start. */
  writeBytesAt(offset: number, bytes: Uint8Array): void {
    this.#assertAccessible("write");
    if (offset < 0 || offset + bytes.length > this.sizeBytes)
      throw new LabError(
        "bad_input",
        `bytes ${offset}…${offset + bytes.length} of ${describeShape(this)}, which has ${this.sizeBytes}`,
      );
    library().api.ggml_backend_tensor_set(this.pointer, bytes, offset, bytes.length);
  }

  /** Copies the whole tensor from a native address, off the main thread; repacks it where its buffer does that. */
  async writeFrom(address: Pointer): Promise<void> {
    this.#assertAccessible("write");
    const { api } = library();
    if (this.interleaved) {
      const to = api.ggml_get_data(this.pointer) as Pointer;
      await interleaveRows(this.dtype, [this.dim(0), this.dim(1)], { to, from: address });
      return;
    }
    await new Promise<void>((resolve, reject) => {
      api.ggml_backend_tensor_set.async(this.pointer, address, 0, this.sizeBytes, (error) => {
        if (error === null) resolve();
        else reject(error);
      });
    });
  }

  /** Fills rows `[start, start + count)` of the first axis with zero bytes. */
  clearRows(start: number, count: number): void {
    this.#assertAccessible("clear");
    const rowBytes = this.sizeBytes / this.dim(0);
    if (start < 0 || count < 0 || start + count > this.dim(0))
      throw new LabError("bad_input", `rows ${start}…${start + count} of ${describeShape(this)}`);
    if (count === 0) return;
    const { api } = library();
    api.ggml_backend_tensor_memset(this.pointer, 0, start * rowBytes, count * rowBytes);
  }

  /** Copies the first `count` rows of the first axis of another tensor of the same type and row shape. */
  copyRows(from: Tensor, count: number): void {
    this.#assertAccessible("write");
    from.#assertAccessible("read");
    const rowBytes = this.sizeBytes / this.dim(0);
    const sizeBytes = count * rowBytes;
    if (from.dtype !== this.dtype || from.sizeBytes / from.dim(0) !== rowBytes)
      throw new LabError(
        "bad_input",
        `rows of ${describeShape(from)} are none of ${describeShape(this)}`,
      );
    if (count < 0 || count > Math.min(this.dim(0), from.dim(0)))
      throw new LabError("bad_input", `${count} rows of ${describeShape(from)}`);
    const { api } = library();
    const buffer = new Uint8Array(Math.min(sizeBytes, COPY_BYTES));
    for (let offset = 0; offset < sizeBytes; offset += buffer.length) {
      const length = Math.min(buffer.length, sizeBytes - offset);
      api.ggml_backend_tensor_get(from.pointer, buffer, offset, length);
      api.ggml_backend_tensor_set(this.pointer, buffer, offset, length);
    }
  }

  /** The values as 32-bit floats, whatever the type; a copy. */
  read(): Float32Array {
    const bytes = this.readBytes();
    return dequantizeRows(this.dtype, bytes, this.size);
  }

  /** The ids of an integer tensor; a copy. */
  readInts(): Int32Array {
    if (this.dtype !== "i32")
      throw new LabError("bad_input", `${describeShape(this)} holds no 32-bit integers`);
    return new Int32Array(this.readBytes().buffer);
  }

  readBytes(): Uint8Array {
    this.#assertAccessible("read");
    if (!this.readable)
      throw new LabError(
        "unsupported",
        `${this.name ?? "this tensor"} is repacked and cannot be read`,
        {
          hint: "Open the model with `repack: false`.",
        },
      );
    const bytes = new Uint8Array(this.sizeBytes);
    library().api.ggml_backend_tensor_get(this.pointer, bytes, 0, bytes.length);
    return bytes;
  }

  #assertAccessible(verb: string): void {
    if (!this.contiguous)
      throw new LabError("bad_input", `cannot ${verb} a view with gaps, ${describeShape(this)}`, {
        hint: "Take `contiguous(x)` in the graph first.",
      });
    this.graph?.assertKept(this);
    // ggml ends the process when a tensor without memory is touched.
    invariant(
      library().api.ggml_get_data(this.pointer) !== null,
      `cannot ${verb} ${describeShape(this)}: it has no memory`,
    );
  }
}

/** Copied at a time: stays in a processor's cache on its way. */
const COPY_BYTES = 1 << 18;

/** What holds the values of a tensor in JavaScript; raw bytes do for every type. */
const ARRAY_OF: Partial<Record<DType, new (length: number) => ArrayBufferView>> = {
  f32: Float32Array,
  f16: Uint16Array,
  bf16: Uint16Array,
  i32: Int32Array,
  i64: BigInt64Array,
};

/** Row-major byte strides of a tensor without gaps. */
export function contiguousStrides(dtype: DType, shape: Shape): number[] {
  const strides = Array<number>(shape.length);
  let bytes = DTYPES[dtype].blockBytes;
  for (let i = shape.length - 1; i >= 0; i--) {
    strides[i] = bytes;
    bytes = i === shape.length - 1 ? rowBytes(dtype, shape[i] ?? 1) : bytes * (shape[i] ?? 1);
  }
  return strides;
}

function contiguousBytes(dtype: DType, shape: Shape): number {
  const row = shape.at(-1) ?? 1;
  return (elementCount(shape) / Math.max(row, 1)) * rowBytes(dtype, row);
}
