/**
 * For tests of machine code: memory between two pages that nobody may touch, so that a read or a write outside ends the
 * process, and calls of kernels with hand-made tensor headers.
 */
import koffi from "koffi";
import { TENSOR_OFFSET } from "../../src/kernels/frame.ts";

const libc = koffi.load(process.platform === "darwin" ? "libSystem.dylib" : "libc.so.6");
const mmap = libc.func("mmap", "intptr_t", [
  "void *",
  "size_t",
  "int",
  "int",
  "int",
  "int64_t",
]) as (...args: (number | bigint | null)[]) => number;
const mprotect = libc.func("mprotect", "int", ["void *", "size_t", "int"]) as (
  address: bigint,
  sizeBytes: number,
  protection: number,
) => number;

const PAGE = 4096;
const READ_WRITE = 3;
const PRIVATE_ANONYMOUS = process.platform === "darwin" ? 0x1002 : 0x22;
const CANARY = 0xa5;
const WATCHED_BYTES = 256;

/** A block of memory that is used again and again, each time for an array at its very start or its very end. */
export class GuardedMemory {
  readonly #start: bigint;
  readonly #bytes: Uint8Array;
  readonly #sizeBytes: number;

  constructor(sizeBytes: number) {
    this.#sizeBytes = Math.ceil(sizeBytes / PAGE) * PAGE;
    const whole = this.#sizeBytes + 2 * PAGE;
    const address = BigInt(mmap(null, whole, READ_WRITE, PRIVATE_ANONYMOUS, -1, 0));
    this.#start = address + BigInt(PAGE);
    mprotect(address, PAGE, 0);
    mprotect(this.#start + BigInt(this.#sizeBytes), PAGE, 0);
    this.#bytes = new Uint8Array(koffi.view(this.#start, this.#sizeBytes));
  }

  /** `sizeBytes` against the guard page before or after them; what lies on their other side is filled with a pattern. */
  place(sizeBytes: number, at: "start" | "end"): Placed {
    const offset = at === "start" ? 0 : this.#sizeBytes - sizeBytes;
    if (sizeBytes > this.#sizeBytes) throw new Error(`${sizeBytes} bytes are too many`);
    const outside =
      at === "start"
        ? this.#bytes.subarray(sizeBytes, sizeBytes + WATCHED_BYTES)
        : this.#bytes.subarray(Math.max(0, offset - WATCHED_BYTES), offset);
    outside.fill(CANARY);
    return {
      address: this.#start + BigInt(offset),
      bytes: this.#bytes.subarray(offset, offset + sizeBytes),
      isUntouchedOutside: () => outside.every((byte) => byte === CANARY),
    };
  }
}

export interface Placed {
  address: bigint;
  bytes: Uint8Array;
  isUntouchedOutside: () => boolean;
}

/** The values of a placed array, wherever it begins. */
export function writeFloats({ bytes }: Placed, values: ArrayLike<number>): void {
  bytes.set(new Uint8Array(Float32Array.from(values).buffer));
}

export function readFloats({ bytes }: Placed): Float32Array {
  return new Float32Array(Uint8Array.from(bytes).buffer);
}

const HEADER_BYTES = 512;
const kernelType = koffi.proto("void", ["void *", "int", "int", "void *"]);
type KernelFunction = (out: bigint, thread: number, threads: number, data: null) => void;

export interface Operand {
  address: bigint;
  /** Sizes, fastest axis first; 1 where missing. */
  ne?: readonly number[];
}

/** Calls a kernel as the engine's threads do, one after another. */
export class KernelCaller {
  readonly #headers = new GuardedMemory(16 * HEADER_BYTES).place(16 * HEADER_BYTES, "end");

  call(
    kernel: bigint,
    { out, inputs, threads = 1 }: { out: Operand; inputs: readonly Operand[]; threads?: number },
  ): void {
    const at = (i: number): bigint => this.#headers.address + BigInt(i * HEADER_BYTES);
    const view = new DataView(
      this.#headers.bytes.buffer,
      this.#headers.bytes.byteOffset,
      this.#headers.bytes.byteLength,
    );
    [out, ...inputs].forEach(({ address, ne = [] }, i) => {
      const base = i * HEADER_BYTES;
      view.setBigUint64(base + TENSOR_OFFSET.data, address, true);
      for (let axis = 0; axis < 4; axis++)
        view.setBigInt64(base + TENSOR_OFFSET.ne + 8 * axis, BigInt(ne[axis] ?? 1), true);
      if (i > 0) view.setBigUint64(TENSOR_OFFSET.src + 8 * (i - 1), at(i), true);
    });
    const run = koffi.decode(kernel, kernelType) as KernelFunction;
    for (let thread = 0; thread < threads; thread++) run(at(0), thread, threads, null);
  }
}
