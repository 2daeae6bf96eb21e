/** The two widths in which kernels are written, and what differs between them. */
import type { Assembler } from "./assembler.ts";
import { masked, mem, rax, rsp, ymm, zmm, type Memory, type Vector } from "./operands.ts";

/** Which instructions a kernel may use: AVX-512 (F, BW, VL), or AVX2 with FMA. */
export type VectorLevel = "avx512" | "avx2";

/** Vectors of one level: how many lanes of 32 bits, and loads and stores of the first few lanes only. */
export interface Lanes {
  /** 32-bit values in a vector. */
  readonly count: 16 | 8;
  readonly bytes: 64 | 32;
  readonly vector: (index: number) => Vector;
  /** Prepares mask `slot` for the first `lanes` lanes; needs `MASK_BYTES` at `[rsp + localAt]`; changes rax. */
  readonly prepareMask: (a: Assembler, slot: MaskSlot, lanes: number) => void;
  /** Loads the lanes of a mask; the others become 0. */
  readonly loadMasked: (a: Assembler, slot: MaskSlot, to: Vector, from: Memory) => void;
  readonly storeMasked: (a: Assembler, slot: MaskSlot, to: Memory, from: Vector) => void;
  readonly clear: (a: Assembler, to: Vector) => void;
}

/** A prepared mask: AVX-512 keeps it in a mask register, AVX2 on the stack (and passes it through `scratch`). */
export interface MaskSlot {
  readonly register: number;
  readonly localAt: number;
  readonly scratch: number;
}

/** Stack space of a mask. */
export const MASK_BYTES = 32;

export const LANES: Record<VectorLevel, Lanes> = {
  avx512: {
    count: 16,
    bytes: 64,
    vector: zmm,
    prepareMask: (a, { register }, lanes) => {
      a.mov(rax, 2 ** lanes - 1);
      a.v.kmovw(register, rax);
    },
    loadMasked: (a, { register }, to, from) => {
      a.v.vmovups(masked(to, register, { zeroing: true }), from);
    },
    storeMasked: (a, { register }, to, from) => {
      a.v.vstoreups(masked(to, register), from);
    },
    clear: (a, to) => {
      a.v.vpxord(to, to, to);
    },
  },
  avx2: {
    count: 8,
    bytes: 32,
    vector: ymm,
    prepareMask: (a, { localAt }, lanes) => {
      for (let pair = 0; pair < 4; pair++) {
        const set = Math.max(0, Math.min(2, lanes - 2 * pair));
        // Two lanes at a time: all bits of none, the lower, or both.
        a.mov(rax, set === 2 ? -1 : 0);
        if (set === 1) a.raw([0xb8, 0xff, 0xff, 0xff, 0xff]); // mov eax, -1: clears the upper half
        a.store(mem(rsp, localAt + 8 * pair), rax);
      }
    },
    loadMasked: (a, { localAt, scratch }, to, from) => {
      a.v.vmovups(ymm(scratch), mem(rsp, localAt));
      a.v.vmaskmovps(to, ymm(scratch), from);
    },
    storeMasked: (a, { localAt, scratch }, to, from) => {
      a.v.vmovups(ymm(scratch), mem(rsp, localAt));
      a.v.vmaskstoreps(to, ymm(scratch), from);
    },
    clear: (a, to) => {
      a.v.vxorps(to, to, to);
    },
  },
};
