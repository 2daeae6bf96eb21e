/**
 * Entry and exit of a kernel, which the engine calls as `void kernel(tensor *out, int thread, int threads, void *data)`:
 * saves what the platform's convention wants back, and brings the arguments to the same registers everywhere.
 */
import type { Assembler } from "./assembler.ts";
import {
  mem,
  r12,
  r13,
  r14,
  r15,
  r8,
  rbp,
  rbx,
  rcx,
  rdi,
  rdx,
  rsi,
  rsp,
  xmm,
  type General,
} from "./operands.ts";

/** Where a kernel finds its arguments. */
export const ARGUMENTS = { out: rdi, thread: rsi, threads: rdx } as const;

export type Convention = "sysv" | "windows";
export const CONVENTION: Convention = process.platform === "win32" ? "windows" : "sysv";

const SAVED = [rbx, rbp, r12, r13, r14, r15] as const;
/** Windows also wants these back, and passes arguments in rcx, rdx, r8. */
const SAVED_ON_WINDOWS = [rdi, rsi] as const;
const SAVED_VECTORS = [6, 7, 8, 9, 10, 11, 12, 13, 14, 15];

/**
 * Wraps `body` as a callable function. In it `out`, `thread` and `threads` are 64-bit registers, all others are free,
 * and `[rsp]` … `[rsp + localBytes)` is its own.
 */
export function kernelFunction(
  a: Assembler,
  { localBytes, convention = CONVENTION }: { localBytes: number; convention?: Convention },
  body: () => void,
): void {
  const isWindows = convention === "windows";
  const saved: General[] = isWindows ? [...SAVED, ...SAVED_ON_WINDOWS] : [...SAVED];
  const vectorBytes = isWindows ? 16 * SAVED_VECTORS.length : 0;
  const frameBytes = Math.ceil((localBytes + vectorBytes) / 16) * 16;
  const vectorAt = (i: number) => mem(rsp, frameBytes - vectorBytes + 16 * i);
  for (const register of saved) a.push(register);
  if (frameBytes > 0) a.sub(rsp, frameBytes);
  if (isWindows) {
    SAVED_VECTORS.forEach((index, i) => {
      a.v.vstoreups(vectorAt(i), xmm(index));
    });
    a.mov(rdi, rcx);
    a.movsxd(rsi, rdx);
    a.movsxd(rdx, r8);
  } else {
    a.movsxd(rsi, rsi);
    a.movsxd(rdx, rdx);
  }
  body();
  a.v.vzeroupper();
  if (isWindows)
    SAVED_VECTORS.forEach((index, i) => {
      a.v.vmovups(xmm(index), vectorAt(i));
    });
  if (frameBytes > 0) a.add(rsp, frameBytes);
  for (const register of saved.toReversed()) a.pop(register);
  a.ret();
}

/** Byte offsets inside the engine's `struct ggml_tensor`, which the engine verifies when it is loaded. */
export const TENSOR_OFFSET = {
  type: 0,
  buffer: 8,
  ne: 16,
  nb: 48,
  src: 152,
  viewSource: 232,
  data: 248,
  name: 256,
} as const;

/** Loads the address of the values of `out`. */
export function loadOutput(a: Assembler, to: General): void {
  a.mov(to, mem(ARGUMENTS.out, TENSOR_OFFSET.data));
}

/** Loads the address of the values of input `i`. */
export function loadInput(a: Assembler, to: General, i: number): void {
  a.mov(to, mem(ARGUMENTS.out, TENSOR_OFFSET.src + 8 * i));
  a.mov(to, mem(to, TENSOR_OFFSET.data));
}
