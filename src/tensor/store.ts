/** Tensors that outlive a computation: weights, caches, optimiser state. The store owns their memory. */
import { invariant } from "../base/errors.ts";
import type { Pointer } from "../engine/api.ts";
import { tensorBytes, type DType } from "../engine/dtypes.ts";
import { newTensor, setName } from "../engine/emit.ts";
import { library } from "../engine/library.ts";
import { Context, DeviceBuffer } from "../engine/memory.ts";
import { assertShape, type Shape } from "./shape.ts";
import { contiguousStrides, Tensor } from "./tensor.ts";

export interface TensorSpec {
  name: string;
  dtype: DType;
  shape: Shape;
  /** Packed for our own kernels: the same bytes in another order. */
  interleaved?: boolean;
}

/** Owner of tensors that outlive a computation: weights, caches, the state of an optimiser. */
export class TensorStore {
  readonly #context: Context;
  readonly #buffers: DeviceBuffer[] = [];

  /** @param capacity - how many tensors will be created */
  constructor(capacity: number) {
    this.#context = new Context({ tensors: capacity });
  }

  /** Creates tensors and one buffer of `bufferType` (or more where its size is limited) that holds them, not cleared. */
  create(bufferType: { pointer: Pointer; plain: boolean }, specs: readonly TensorSpec[]): Tensor[] {
    const { api } = library();
    const alignment = api.ggml_backend_buft_get_alignment(bufferType.pointer);
    const limit = api.ggml_backend_buft_get_max_size(bufferType.pointer);
    const tensors = specs.map((spec) => this.declare(spec, { readable: bufferType.plain }));
    let group: { tensor: Tensor; sizeBytes: number }[] = [];
    let groupBytes = 0;
    const flush = (): void => {
      if (group.length === 0) return;
      const buffer = this.adopt(DeviceBuffer.allocate(bufferType.pointer, groupBytes));
      if (group.some(({ tensor }) => tensor.interleaved)) buffer.useHugePages();
      for (const { tensor, sizeBytes } of group) buffer.place(tensor.pointer, sizeBytes);
      group = [];
      groupBytes = 0;
    };
    for (const tensor of tensors) {
      const sizeBytes = api.ggml_backend_buft_get_alloc_size(bufferType.pointer, tensor.pointer);
      const padded = Math.ceil(sizeBytes / alignment) * alignment;
      if (groupBytes + padded > limit) flush();
      group.push({ tensor, sizeBytes });
      groupBytes += padded;
    }
    flush();
    return tensors;
  }

  /** Creates a header without memory; the caller places it in a buffer that the store adopts. */
  declare(
    { name, dtype, shape, interleaved = false }: TensorSpec,
    { readable }: { readable: boolean },
  ): Tensor {
    assertShape(shape);
    const strides = contiguousStrides(dtype, shape);
    this.#context.take(1);
    // To ggml packed values are bytes, which no operation of its own takes for weights.
    const pointer = interleaved
      ? newTensor(this.#context.pointer, "i8", [tensorBytes(dtype, shape)])
      : newTensor(this.#context.pointer, dtype, shape);
    setName(pointer, name);
    const isReadable = readable && !interleaved;
    return new Tensor({
      ...{ pointer, dtype, shape, strides, graph: undefined, name, interleaved },
      readable: isReadable,
    });
  }

  /** Takes over a buffer; it is freed with the store. */
  adopt(buffer: DeviceBuffer): DeviceBuffer {
    this.#buffers.push(buffer);
    return buffer;
  }

  /** Bytes of all buffers. */
  get sizeBytes(): number {
    return this.#buffers.reduce((sum, buffer) => sum + buffer.sizeBytes, 0);
  }

  /** Marks all buffers as weights, so that a scheduler computes where they are. */
  markWeights(): void {
    invariant(this.#buffers.length > 0, "a store without buffers");
    for (const buffer of this.#buffers) buffer.markWeights();
  }

  [Symbol.dispose](): void {
    for (const buffer of this.#buffers) buffer[Symbol.dispose]();
    this.#buffers.length = 0;
    this.#context[Symbol.dispose]();
  }
}
