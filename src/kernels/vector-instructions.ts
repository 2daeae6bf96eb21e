/** The vector instructions that the kernels use: AVX2 + FMA, AVX-512 F/BW/VL, VNNI and BF16. Names are Intel's. */
import { invariant } from "../base/errors.ts";
import { vectorInstruction, type VectorOpcode } from "./encoding.ts";
import type { General, Memory, Vector } from "./operands.ts";

type Source = Vector | Memory;

/** Destination, first source, second source. */
type ThreeOperands = (to: Vector, a: Vector, b: Source) => void;
type ThreeOperandsByte = (to: Vector, a: Vector, b: Source, control: number) => void;
type Load = (to: Vector, from: Source) => void;
type Store = (to: Memory, from: Vector) => void;
/** To memory, or into a narrower register. */
type Narrow = (to: Memory | Vector, from: Vector) => void;
type Shift = (to: Vector, from: Source, bits: number) => void;

const THREE = {
  vaddps: { map: 1, prefix: 0, opcode: 0x58 },
  vmulps: { map: 1, prefix: 0, opcode: 0x59 },
  vmaxps: { map: 1, prefix: 0, opcode: 0x5f },
  vminps: { map: 1, prefix: 0, opcode: 0x5d },
  vdivps: { map: 1, prefix: 0, opcode: 0x5e },
  vxorps: { map: 1, prefix: 0, opcode: 0x57, only: "vex" },
  vsubps: { map: 1, prefix: 0, opcode: 0x5c },
  /** `to = to · a + b` */
  vfmadd213ps: { map: 2, prefix: 1, opcode: 0xa8 },
  vfmadd231ps: { map: 2, prefix: 1, opcode: 0xb8 },
  vfnmadd231ps: { map: 2, prefix: 1, opcode: 0xbc },
  vunpcklps: { map: 1, prefix: 0, opcode: 0x14 },
  vunpckhps: { map: 1, prefix: 0, opcode: 0x15 },
  vunpcklpd: { map: 1, prefix: 1, opcode: 0x14, w: "evex" },
  vunpckhpd: { map: 1, prefix: 1, opcode: 0x15, w: "evex" },
  vpaddw: { map: 1, prefix: 1, opcode: 0xfd, only: "vex" },
  vpand: { map: 1, prefix: 1, opcode: 0xdb, only: "vex" },
  vpor: { map: 1, prefix: 1, opcode: 0xeb, only: "vex" },
  vpxor: { map: 1, prefix: 1, opcode: 0xef, only: "vex" },
  /** Unsigned times signed bytes, added in pairs, in 16 bits that saturate. */
  vpmaddubsw: { map: 2, prefix: 1, opcode: 0x04, only: "vex" },
  /** 16-bit values multiplied and added in pairs. */
  vpmaddwd: { map: 1, prefix: 1, opcode: 0xf5, only: "vex" },
  /** The first bytes with the signs of the second. */
  vpsignb: { map: 2, prefix: 1, opcode: 0x08, only: "vex" },
  vpackssdw: { map: 1, prefix: 1, opcode: 0x6b, only: "vex" },
  vpacksswb: { map: 1, prefix: 1, opcode: 0x63, only: "vex" },
  vpackusdw: { map: 2, prefix: 1, opcode: 0x2b, only: "vex" },
  /** Lane i of the result is that lane of the second source that the first one says. */
  vpermd: { map: 2, prefix: 1, opcode: 0x36 },
  vpaddd: { map: 1, prefix: 1, opcode: 0xfe },
  vpmulld: { map: 2, prefix: 1, opcode: 0x40 },
  vpsubd: { map: 1, prefix: 1, opcode: 0xfa },
  /** The larger of unsigned integers: of magnitudes of floats, where a NaN is the largest. */
  vpmaxud: { map: 2, prefix: 1, opcode: 0x3f },
  vpandd: { map: 1, prefix: 1, opcode: 0xdb, only: "evex" },
  vpord: { map: 1, prefix: 1, opcode: 0xeb, only: "evex" },
  vpxord: { map: 1, prefix: 1, opcode: 0xef, only: "evex" },
  /** `a · 2^⌊b⌋` */
  vscalefps: { map: 2, prefix: 1, opcode: 0x2c, only: "evex" },
  /** Adds the products of both bf16 numbers of a lane. */
  vdpbf16ps: { map: 2, prefix: 2, opcode: 0x52, only: "evex" },
  vpdpbusd: { map: 2, prefix: 1, opcode: 0x50, only: "evex" },
} as const satisfies Record<string, VectorOpcode>;

const THREE_BYTE = {
  vshufps: { map: 1, prefix: 0, opcode: 0xc6 },
  vshuff32x4: { map: 3, prefix: 1, opcode: 0x23, only: "evex" },
  vperm2f128: { map: 3, prefix: 1, opcode: 0x06, only: "vex" },
  vinserti128: { map: 3, prefix: 1, opcode: 0x38, only: "vex" },
  /** A 16-bit value from memory becomes one of eight. */
  vpinsrw: { map: 1, prefix: 1, opcode: 0xc4, only: "vex" },
  /** A quarter of the destination comes from 16 bytes. */
  vinserti32x4: { map: 3, prefix: 1, opcode: 0x38, tuple: "quarter", only: "evex" },
  vpternlogd: { map: 3, prefix: 1, opcode: 0x25, only: "evex" },
} as const satisfies Record<string, VectorOpcode>;

const LOADS = {
  vmovups: { map: 1, prefix: 0, opcode: 0x10 },
  vbroadcastss: { map: 2, prefix: 1, opcode: 0x18, tuple: "element4" },
  vpbroadcastd: { map: 2, prefix: 1, opcode: 0x58, tuple: "element4" },
  vcvtdq2ps: { map: 1, prefix: 0, opcode: 0x5b },
  vcvtps2dq: { map: 1, prefix: 1, opcode: 0x5b },
  vpabsb: { map: 2, prefix: 1, opcode: 0x1c, only: "vex" },
  vsqrtps: { map: 1, prefix: 0, opcode: 0x51 },
  vcvtph2ps: { map: 2, prefix: 1, opcode: 0x13, tuple: "half" },
  vpmovzxbd: { map: 2, prefix: 1, opcode: 0x31, tuple: "quarter" },
  vpmovsxbd: { map: 2, prefix: 1, opcode: 0x21, tuple: "quarter" },
  /** Reads one value from `[base + index · scale]` in each lane of its mask, which it clears. */
  vpgatherdd: { map: 2, prefix: 1, opcode: 0x90, tuple: "element4", only: "evex" },
} as const satisfies Record<string, VectorOpcode>;

const STORES = {
  /** `vmovups` to memory. */
  vstoreups: { map: 1, prefix: 0, opcode: 0x11 },
  /** The first lane to memory. */
  vmovss: { map: 1, prefix: 2, opcode: 0x11, only: "vex" },
} as const satisfies Record<string, VectorOpcode>;

/** 32-bit values, cut to 16 bits or 8 each. */
const NARROW = {
  vpmovdw: { map: 2, prefix: 2, opcode: 0x33, tuple: "half", only: "evex" },
  vpmovdb: { map: 2, prefix: 2, opcode: 0x31, tuple: "quarter", only: "evex" },
} as const satisfies Record<string, VectorOpcode>;

/** Shifts of each lane by a constant; the ModRM register field tells them apart. */
const SHIFTS = {
  vpsrlw: { code: { map: 1, prefix: 1, opcode: 0x71 }, extension: 2 },
  vpsllw: { code: { map: 1, prefix: 1, opcode: 0x71 }, extension: 6 },
  vpsrld: { code: { map: 1, prefix: 1, opcode: 0x72 }, extension: 2 },
  vpsrad: { code: { map: 1, prefix: 1, opcode: 0x72 }, extension: 4 },
  vpslld: { code: { map: 1, prefix: 1, opcode: 0x72 }, extension: 6 },
} as const satisfies Record<string, { code: VectorOpcode; extension: number }>;

export type VectorInstructions = Readonly<
  Record<keyof typeof THREE, ThreeOperands> &
    Record<keyof typeof THREE_BYTE, ThreeOperandsByte> &
    Record<keyof typeof LOADS, Load> &
    Record<keyof typeof STORES, Store> &
    Record<keyof typeof NARROW, Narrow> &
    Record<keyof typeof SHIFTS, Shift>
> & {
  /** Lanes whose mask value has its top bit set (AVX2). */
  readonly vmaskmovps: (to: Vector, mask: Vector, from: Memory) => void;
  readonly vmaskstoreps: (to: Memory, mask: Vector, from: Vector) => void;
  /** 64-bit lanes in another order, of which each two bits of `order` name one. */
  readonly vpermq: (to: Vector, from: Source, order: number) => void;
  /** The lower 32 bits of a general register in every lane. */
  readonly vpbroadcastdFrom: (to: Vector, from: General) => void;
  /** Bits of mask register `to` where unsigned integers compare so: 5 is "not less". */
  readonly vpcmpud: (to: number, a: Vector, b: Source, comparison: number) => void;
  readonly kmovw: (to: number, from: General) => void;
  readonly vzeroupper: () => void;
};

/** The instructions, each of which hands its bytes to `emit`. */
export function vectorInstructions(emit: (bytes: readonly number[]) => void): VectorInstructions {
  const each = <N extends string, T, F>(table: Record<N, T>, make: (code: T) => F): Record<N, F> =>
    Object.fromEntries(
      Object.entries<T>(table).map(([name, code]) => [name, make(code)]),
    ) as Record<N, F>;
  const into = (code: VectorOpcode, to: Vector, vvvv: number, rm: Source): number[] => {
    const { index: reg, sizeBytes, mask, zeroing } = to;
    return vectorInstruction(code, { reg, vvvv, rm, sizeBytes, mask, zeroing });
  };
  const store = (code: VectorOpcode, to: Memory | Vector, vvvv: number, from: Vector): number[] =>
    vectorInstruction(code, {
      reg: from.index,
      vvvv,
      rm: to,
      sizeBytes: from.sizeBytes,
      mask: to.mask,
    });
  return {
    ...each(THREE, (code): ThreeOperands => (to, a, b) => {
      emit(into(code, to, a.index, b));
    }),
    ...each(THREE_BYTE, (code): ThreeOperandsByte => (to, a, b, control) => {
      emit([...into(code, to, a.index, b), control]);
    }),
    ...each(LOADS, (code): Load => (to, from) => {
      emit(into(code, to, 0, from));
    }),
    ...each(STORES, (code): Store => (to, from) => {
      emit(store(code, to, 0, from));
    }),
    ...each(NARROW, (code): Narrow => (to, from) => {
      emit(store(code, to, 0, from));
    }),
    ...each(SHIFTS, ({ code, extension }): Shift => (to, from, bits) => {
      const { sizeBytes } = to;
      const operands = { reg: extension, vvvv: to.index, rm: from, sizeBytes };
      emit([...vectorInstruction(code, operands), bits]);
    }),
    vmaskmovps: (to, mask, from) => {
      emit(into({ map: 2, prefix: 1, opcode: 0x2c, only: "vex" }, to, mask.index, from));
    },
    vmaskstoreps: (to, mask, from) => {
      emit(store({ map: 2, prefix: 1, opcode: 0x2e, only: "vex" }, to, mask.index, from));
    },
    vpermq: (to, from, order) => {
      emit([...into({ map: 3, prefix: 1, opcode: 0x00, w: 1, only: "vex" }, to, 0, from), order]);
    },
    vpbroadcastdFrom: (to, from) => {
      const { index: reg, sizeBytes } = to;
      const code: VectorOpcode = { map: 2, prefix: 1, opcode: 0x7c, only: "evex" };
      emit(vectorInstruction(code, { reg, vvvv: 0, rm: from, sizeBytes }));
    },
    vpcmpud: (to, a, b, comparison) => {
      const code: VectorOpcode = { map: 3, prefix: 1, opcode: 0x1e, only: "evex" };
      const operands = { reg: to, vvvv: a.index, rm: b, sizeBytes: a.sizeBytes };
      emit([...vectorInstruction(code, operands), comparison]);
    },
    kmovw: (to, from) => {
      invariant(to > 0 && from.index < 16, "kmovw takes k1…k7");
      emit([0xc5, 0xf8, 0x92, 0xc0 | (to << 3) | (from.index & 7)]);
    },
    vzeroupper: () => {
      emit([0xc5, 0xf8, 0x77]);
    },
  };
}
