/** Registers and memory operands of x86-64, as values. */

/** A 64-bit general register. */
export interface General {
  readonly kind: "general";
  readonly index: number;
}

/** A vector register of 16 (xmm), 32 (ymm) or 64 bytes (zmm); a mask makes an instruction leave or clear lanes. */
export interface Vector {
  readonly kind: "vector";
  readonly index: number;
  readonly sizeBytes: 16 | 32 | 64;
  readonly mask?: number;
  /** Lanes outside the mask become zero; else they keep their values. */
  readonly zeroing?: boolean;
}

/** `[base + index · scale + displacement]`; the index may be a vector (gathers). */
export interface Memory {
  readonly kind: "memory";
  readonly base: General;
  readonly index: General | Vector | undefined;
  readonly scale: 1 | 2 | 4 | 8;
  readonly displacement: number;
  /** One 32-bit value serves all lanes. */
  readonly broadcast: boolean;
  /** For stores: the mask of the lanes that are written. */
  readonly mask?: number;
}

const general = (index: number): General => ({ kind: "general", index });

export const [rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi] = [0, 1, 2, 3, 4, 5, 6, 7].map(
  general,
) as unknown as Eight;
export const [r8, r9, r10, r11, r12, r13, r14, r15] = [8, 9, 10, 11, 12, 13, 14, 15].map(
  general,
) as unknown as Eight;
type Eight = readonly [General, General, General, General, General, General, General, General];

export const xmm = (index: number): Vector => ({ kind: "vector", index, sizeBytes: 16 });
export const ymm = (index: number): Vector => ({ kind: "vector", index, sizeBytes: 32 });
export const zmm = (index: number): Vector => ({ kind: "vector", index, sizeBytes: 64 });

export function mem(base: General, displacement = 0): Memory {
  return { kind: "memory", base, index: undefined, scale: 1, displacement, broadcast: false };
}

/** `[base + index · scale + displacement]` */
export function indexed(
  base: General,
  index: General | Vector,
  { scale = 1, displacement = 0 }: { scale?: 1 | 2 | 4 | 8; displacement?: number } = {},
): Memory {
  return { kind: "memory", base, index, scale, displacement, broadcast: false };
}

/** The 32-bit value at `[base + displacement]` in every lane (EVEX only). */
export function broadcast(base: General, displacement = 0): Memory {
  return { ...mem(base, displacement), broadcast: true };
}

/** The operand under mask register k1…k7: other lanes are left alone, or cleared. */
export function masked<T extends Vector | Memory>(
  operand: T,
  mask: number,
  { zeroing = false }: { zeroing?: boolean } = {},
): T {
  return { ...operand, mask, ...(zeroing ? { zeroing } : {}) };
}
