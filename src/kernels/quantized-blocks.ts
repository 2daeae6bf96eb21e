/**
 * How the product reads a packed block of quantised weights (`weight-formats.ts`): for each 32 values of K, eight vectors of
 * unsigned bytes u and the scales of 16 rows, such that a weight is
 *
 *   w = scale · (u − offset)          q8_0 (offset 128), q4_0 (8), q6_k (32; a scale for each 16 values)
 *   w = scale · u − minimum           q4_k, q5_k
 *
 * | register | holds |
 * |---|---|
 * | rdx | the packed block |
 * | vectors 0 … 7 | u: vector i has values 4i … 4i+3 of 16 rows |
 * | 8 | scale, or that of the first 16 values |
 * | 9 | minimum, or the scale of the second 16 values |
 * | 12, 13 | between |
 * | 14, 15 | constants: 15, and the bits above them, in every byte |
 */
import type { Assembler } from "./assembler.ts";
import { broadcast, mem, rax, rdx, rsp, ymm, zmm, type General, type Memory } from "./operands.ts";
import { GROUP_ROWS, WEIGHT_FORMATS, type WeightType } from "./weight-formats.ts";

/** Which sums of the activations a type needs besides the products. */
export type Correction = "minus128" | "minus8" | "minus32" | "minimum";

export interface BlockReader {
  correction: Correction;
  /** Runs once, before the first block. */
  prepare: (a: Assembler) => void;
  /** Runs at each packed block. */
  begin: (a: Assembler) => void;
  /** Blocks of 32 in a packed block. */
  parts: number;
  /** Loads the values and scales of one of them. */
  load: (a: Assembler, part: number) => void;
}

/** Stack space that readers use, from `[rsp]`. */
export const READER_LOCAL_BYTES = 16 * 64 + 16;

const LANES_BYTES = 64;
const CONSTANTS = 16 * LANES_BYTES;
const value = zmm;
const [scale, second, t0, t1, low, high] = [zmm(8), zmm(9), zmm(12), zmm(13), zmm(14), zmm(15)];
const word = (i: number): Memory => mem(rdx, LANES_BYTES * i);
const local = (i: number): Memory => mem(rsp, LANES_BYTES * i);
const everyByte = (byte: number): number => (byte * 0x01010101) | 0;

/** A + (B and C), bit by bit, as `vpternlogd` numbers it. */
const OR_AND = 0xf8;

function constant(a: Assembler, to: typeof low, bits: number): void {
  a.mov(rax, bits);
  a.v.vpbroadcastdFrom(to, rax);
}

/** Puts 32-bit constants behind the scales on the stack, where they can be broadcast from. */
function stackConstants(a: Assembler, values: readonly number[]): void {
  for (const [i, bits] of values.entries()) {
    a.mov(rax, bits);
    a.raw([0x89, 0x84, 0x24, ...[0, 8, 16, 24].map((s) => ((CONSTANTS + 4 * i) >> s) & 255)]); // mov [rsp + …], eax
  }
}
const stackConstant = (i: number): Memory => broadcast(rsp, CONSTANTS + 4 * i);

/** Splits bytes from word `i` on into their lower halves (to vectors from `to` on) or their upper ones. */
function halves(
  a: Assembler,
  { from, to, count, upper }: { from: number; to: number; count: number; upper: boolean },
): void {
  for (let c = 0; c < count; c++) {
    if (upper) {
      a.v.vpsrlw(value(to + c), word(from + c), 4);
      a.v.vpandd(value(to + c), value(to + c), low);
    } else a.v.vpandd(value(to + c), low, word(from + c));
  }
}

/** Adds bits of words from `from` on, moved up by `shift`, where `high` has ones. */
function upperBits(a: Assembler, { from, shift }: { from: number; shift: number }): void {
  for (let c = 0; c < 8; c++) {
    const t = c % 2 === 0 ? t0 : t1;
    if (shift > 0) a.v.vpsllw(t, word(from + c), shift);
    else if (shift < 0) a.v.vpsrlw(t, word(from + c), -shift);
    else a.v.vmovups(t, word(from + c));
    a.v.vpternlogd(value(c), t, high, OR_AND);
  }
}

const q8: BlockReader = {
  correction: "minus128",
  prepare: () => undefined,
  begin: () => undefined,
  parts: 1,
  load: (a) => {
    for (let c = 0; c < 8; c++) a.v.vmovups(value(c), word(c));
    a.v.vcvtph2ps(scale, word(8));
  },
};

const q4: BlockReader = {
  correction: "minus8",
  prepare: (a) => {
    constant(a, low, everyByte(0x0f));
  },
  begin: () => undefined,
  parts: 1,
  load: (a) => {
    halves(a, { from: 0, to: 0, count: 4, upper: false });
    halves(a, { from: 0, to: 4, count: 4, upper: true });
    a.v.vcvtph2ps(scale, word(4));
  },
};

/** d, dmin and 6-bit scales and minima (`get_scale_min_k4` in ggml-quants.c): as floats, 8 and 8 vectors, onto the stack. */
function kScales(a: Assembler): void {
  const { v } = a;
  const [d, dmin, s0, s1, s2, t] = [value(0), value(1), value(2), value(3), value(4), value(5)];
  v.vmovups(t, word(0));
  v.vpmovdw(ymm(d.index), t);
  v.vcvtph2ps(d, ymm(d.index));
  v.vpsrld(t, t, 16);
  v.vpmovdw(ymm(dmin.index), t);
  v.vcvtph2ps(dmin, ymm(dmin.index));
  v.vmovups(s0, word(1));
  v.vmovups(s1, word(2));
  v.vmovups(s2, word(3));
  const [sixBits, upperTwo, byte] = [stackConstant(0), stackConstant(1), stackConstant(2)];
  const spread = (packed: typeof t, factor: typeof t, first: number): void => {
    for (let j = 0; j < 4; j++) {
      if (j === 0) v.vpandd(value(7), packed, byte);
      else {
        v.vpsrld(value(7), packed, 8 * j);
        v.vpandd(value(7), value(7), byte);
      }
      v.vcvtdq2ps(value(7), value(7));
      v.vmulps(value(7), value(7), factor);
      v.vstoreups(local(first + j), value(7));
    }
  };
  v.vpandd(t, s0, sixBits);
  spread(t, d, 0);
  v.vpandd(t, s1, sixBits);
  spread(t, dmin, 8);
  // Blocks 4 … 7: lower four bits in the third word, upper two above the six bits of the first two.
  for (const [source, shift, factor, first] of [
    [s0, 0, d, 4],
    [s1, 4, dmin, 12],
  ] as const) {
    if (shift > 0) v.vpsrld(t, s2, shift);
    v.vpandd(t, shift > 0 ? t : s2, low);
    v.vpsrld(value(6), source, 2);
    v.vpandd(value(6), value(6), upperTwo);
    v.vpord(t, t, value(6));
    spread(t, factor, first);
  }
}

function kReader(fifthBits: boolean): BlockReader {
  const values = fifthBits ? 12 : 4;
  return {
    correction: "minimum",
    prepare: (a) => {
      constant(a, low, everyByte(0x0f));
      if (fifthBits) constant(a, high, everyByte(0x10));
      stackConstants(a, [everyByte(0x3f), everyByte(0x30), 0xff]);
    },
    begin: kScales,
    parts: 8,
    load: (a, part) => {
      const from = values + 8 * Math.floor(part / 2);
      halves(a, { from, to: 0, count: 8, upper: part % 2 === 1 });
      if (fifthBits) upperBits(a, { from: 4, shift: 4 - part });
      a.v.vmovups(scale, local(part));
      a.v.vmovups(second, local(8 + part));
    },
  };
}

const q6: BlockReader = {
  correction: "minus32",
  prepare: (a) => {
    constant(a, low, everyByte(0x0f));
    constant(a, high, everyByte(0x30));
  },
  begin: (a) => {
    const { v } = a;
    v.vcvtph2ps(value(0), word(52));
    for (let i = 0; i < 16; i++) {
      const [at, byte] = [word(48 + Math.floor(i / 4)), i % 4];
      if (byte < 3) v.vpslld(value(1), at, 24 - 8 * byte);
      v.vpsrad(value(1), byte < 3 ? value(1) : at, 24);
      v.vcvtdq2ps(value(1), value(1));
      v.vmulps(value(1), value(1), value(0));
      v.vstoreups(local(i), value(1));
    }
  },
  parts: 8,
  load: (a, part) => {
    const [half, quarter] = [Math.floor(part / 4), part % 4];
    const from = 16 * half + 8 * (quarter % 2);
    halves(a, { from, to: 0, count: 8, upper: quarter >= 2 });
    upperBits(a, { from: 32 + 8 * half, shift: 4 - 2 * quarter });
    a.v.vmovups(scale, local(2 * part));
    a.v.vmovups(second, local(2 * part + 1));
  },
};

/** Bytes of an expanded block of 32: vectors 0 … 9 as a reader leaves them. */
export const EXPANDED_BYTES = 10 * LANES_BYTES;

/** Writes what a reader has loaded, expanded, to `to`. */
export function storeExpanded(a: Assembler, to: General): void {
  for (let i = 0; i < 10; i++) a.v.vstoreups(mem(to, LANES_BYTES * i), value(i));
}

export const BLOCK_READERS: Record<WeightType, BlockReader> = {
  q8_0: q8,
  q4_0: q4,
  q4_k: kReader(false),
  q5_k: kReader(true),
  q6_k: q6,
};

/** Bytes of a packed block of 16 rows. */
export function packedBlockBytes(type: WeightType): number {
  return GROUP_ROWS * WEIGHT_FORMATS[type].blockBytes;
}
