/**
 * Native memory with an owner: contexts that hold tensor headers, and buffers that hold tensor data.
 * Every owner implements `Symbol.dispose`; `liveBytes()` counts what has not been given back.
 */
import koffi from "koffi";
import { invariant, LabError } from "../base/errors.ts";
import type { GgmlApi, Pointer } from "./api.ts";
import { useHugePages } from "./huge-pages.ts";
import { library } from "./library.ts";

let live = 0;

/** Bytes of native buffers and contexts that are alive in this process. Mapped files do not count. */
export function liveBytes(): number {
  return live;
}

/** Lends `work` the address of some bytes, more than 64 of them: V8 moves smaller arrays about. */
export async function lendAddress(
  bytes: Uint8Array,
  work: (address: Pointer) => Promise<void>,
): Promise<void> {
  await work(koffi.address(bytes));
  invariant(bytes.length > 64, "bytes that stay where they are"); // and that are alive until here
}

/** An arena of tensor headers. The tensors in it die with it. */
export class Context {
  readonly #api: GgmlApi;
  readonly #sizeBytes: number;
  #pointer: Pointer | undefined;
  #tensorsLeft: number;

  /** @param graphNodes - room for a graph of that many nodes in the same arena */
  constructor({ tensors, graphNodes = 0 }: { tensors: number; graphNodes?: number }) {
    const { api } = library();
    this.#api = api;
    const graphBytes = graphNodes === 0 ? 0 : api.ggml_graph_overhead_custom(graphNodes, false);
    this.#sizeBytes = tensors * api.ggml_tensor_overhead() + graphBytes + 64;
    this.#tensorsLeft = tensors;
    const pointer = api.ggml_init({ mem_size: this.#sizeBytes, mem_buffer: null, no_alloc: true });
    if (pointer === null)
      throw new LabError("out_of_memory", `no memory for ${tensors} tensor headers`);
    this.#pointer = pointer;
    live += this.#sizeBytes;
  }

  get pointer(): Pointer {
    invariant(this.#pointer !== undefined, "context used after it was freed");
    return this.#pointer;
  }

  /** Counts `n` headers as taken; ggml ends the process when an arena overflows, so this is called before each op. */
  take(n: number): void {
    this.#tensorsLeft -= n;
    if (this.#tensorsLeft < 0)
      throw new LabError("internal", "internal: the graph has more tensors than its arena holds", {
        hint: "Give the graph a larger `maxNodes`.",
      });
  }

  [Symbol.dispose](): void {
    if (this.#pointer === undefined) return;
    this.#api.ggml_free(this.#pointer);
    this.#pointer = undefined;
    live -= this.#sizeBytes;
  }
}

/** A block of memory on a device, in which tensors are placed one after another. */
export class DeviceBuffer {
  readonly sizeBytes: number;
  readonly #api: GgmlApi;
  readonly #counted: boolean;
  readonly #alignment: number;
  #pointer: Pointer | undefined;
  #used = 0;

  private constructor(pointer: Pointer, options: { alignment: number; counted: boolean }) {
    this.#api = library().api;
    this.#pointer = pointer;
    this.#alignment = options.alignment;
    this.#counted = options.counted;
    this.sizeBytes = this.#api.ggml_backend_buffer_get_size(pointer);
    if (this.#counted) live += this.sizeBytes;
  }

  /** Allocates `sizeBytes` of a buffer type. Throws `out_of_memory`. */
  static allocate(bufferType: Pointer, sizeBytes: number): DeviceBuffer {
    const { api } = library();
    const maximum = api.ggml_backend_buft_get_max_size(bufferType);
    const pointer =
      sizeBytes > maximum ? null : api.ggml_backend_buft_alloc_buffer(bufferType, sizeBytes);
    if (pointer === null)
      throw new LabError(
        "out_of_memory",
        `cannot allocate ${(sizeBytes / 2 ** 20).toFixed(0)} MiB of ${api.ggml_backend_buft_name(bufferType)} memory`,
        { hint: "Use a smaller model, a smaller type (q4_k_m), or a shorter context." },
      );
    const alignment = api.ggml_backend_buft_get_alignment(bufferType);
    return new DeviceBuffer(pointer, { alignment, counted: true });
  }

  /** Wraps memory that somebody else owns (a mapped file), which must outlive the buffer. */
  static wrap(pointer: Pointer): DeviceBuffer {
    return new DeviceBuffer(pointer, { alignment: 1, counted: false });
  }

  get pointer(): Pointer {
    invariant(this.#pointer !== undefined, "buffer used after it was freed");
    return this.#pointer;
  }

  /** Places a tensor at the next free aligned address. */
  place(tensor: Pointer, sizeBytes: number): void {
    const offset = Math.ceil(this.#used / this.#alignment) * this.#alignment;
    this.placeAt(tensor, sizeBytes, offset);
    this.#used = offset + sizeBytes;
  }

  /** Places a tensor at a byte offset of the buffer. */
  placeAt(tensor: Pointer, sizeBytes: number, offset: number): void {
    invariant(
      offset >= 0 && offset + sizeBytes <= this.sizeBytes,
      `a tensor of ${sizeBytes} bytes at ${offset} leaves its buffer of ${this.sizeBytes}`,
    );
    const base = this.#api.ggml_backend_buffer_get_base(this.pointer);
    const status = this.#api.ggml_backend_tensor_alloc(this.pointer, tensor, base + BigInt(offset));
    invariant(status === 0, `placing a tensor failed with status ${status}`);
  }

  /** For a buffer in the processor's memory that has not been written yet. */
  useHugePages(): void {
    useHugePages(this.#api.ggml_backend_buffer_get_base(this.pointer), this.sizeBytes);
  }

  /** Marks the buffer as holding weights, so that a scheduler runs their operations where they are. */
  markWeights(): void {
    this.#api.ggml_backend_buffer_set_usage(this.pointer, 1);
  }

  /** Fills the buffer with zero bytes. */
  clear(): void {
    this.#api.ggml_backend_buffer_clear(this.pointer, 0);
  }

  [Symbol.dispose](): void {
    if (this.#pointer === undefined) return;
    this.#api.ggml_backend_buffer_free(this.#pointer);
    this.#pointer = undefined;
    if (this.#counted) live -= this.sizeBytes;
  }
}
