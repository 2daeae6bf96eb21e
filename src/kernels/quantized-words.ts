/**
 * How the AVX2 product reads a packed block of quantised weights (`weight-formats.ts`): eight of its sixteen rows at a time, a
 * vector of four values of each row after another. A value stands for
 *
 *   w = scale · b                     q8_0: signed bytes b
 *   w = scale · (u − offset)          q4_0 (8), q6_k (32; a scale for each 16 values): unsigned bytes u
 *   w = scale · u − minimum           q4_k, q5_k
 *
 * | register | holds |
 * |---|---|
 * | rdx | the packed block |
 * | vector 14 | between |
 * | `[rsp]` … | a scale vector for each 32 (q6_k: 16) values of a row, from the ninth on minima; then constants |
 */
import type { Assembler } from "./assembler.ts";
import { mem, rax, rdx, rsp, xmm, ymm, type Memory, type Vector } from "./operands.ts";
import type { WeightType } from "./weight-formats.ts";

const VECTOR_BYTES = 32;
const LANES_BYTES = 64;
const CONSTANTS = 16 * VECTOR_BYTES;

/** Stack space that readers use, from `[rsp]`. */
export const WORDS_LOCAL_BYTES = CONSTANTS + 6 * VECTOR_BYTES;

/** Which half of the sixteen rows. */
export type Half = 0 | 1;

export interface WordReader {
  /** Whether values are signed bytes. */
  signed: boolean;
  /** What sums of the activations are needed besides the products. */
  correction: "none" | "minus8" | "minus32" | "minimum";
  /** Products of bytes, as sums of two, that 16 bits can hold the sum of: words, a power of two. */
  words: 1 | 2 | 4 | 8;
  /** Runs once, before the first block. */
  prepare: (a: Assembler) => void;
  /** Runs at each packed block and half: leaves the scales on the stack. */
  begin: (a: Assembler, half: Half) => void;
  /** Blocks of 32 in a packed block. */
  parts: number;
  /** Word `i` of 8 of a part, in `to`. */
  word: (a: Assembler, at: { part: number; i: number; half: Half }, to: Vector) => void;
}

/** Scale vector `i` of what `begin` left; minima of part `p` are vector 8 + p. */
export function scaleAt(i: number): Memory {
  return mem(rsp, VECTOR_BYTES * i);
}

const spare = ymm(14);
const everyByte = (byte: number): number => byte * 0x01010101;
const constantAt = (i: number): Memory => mem(rsp, CONSTANTS + VECTOR_BYTES * i);
const wordAt = (i: number, half: Half): Memory => mem(rdx, LANES_BYTES * i + VECTOR_BYTES * half);

/** Fills 32 bytes of the stack with 32-bit numbers, again and again; changes rax. */
export function stackVector(a: Assembler, at: number, numbers: readonly number[]): void {
  for (let lane = 0; lane < 8; lane++) {
    a.mov(rax, (numbers[lane % numbers.length] ?? 0) | 0);
    const where = at + 4 * lane;
    a.raw([0x89, 0x84, 0x24, where & 255, (where >> 8) & 255, 0, 0]); // mov [rsp + where], eax
  }
}

function constants(values: readonly number[]): (a: Assembler) => void {
  return (a) => {
    values.forEach((bits, i) => {
      stackVector(a, CONSTANTS + VECTOR_BYTES * i, [bits]);
    });
  };
}

/** Lower or upper halves of the bytes of a packed word; the mask is the first constant. */
function halfBytes(
  a: Assembler,
  { from, half, upper }: { from: number; half: Half; upper: boolean },
  to: Vector,
): void {
  a.v.vmovups(to, wordAt(from, half));
  if (upper) a.v.vpsrlw(to, to, 4);
  a.v.vpand(to, to, constantAt(0));
}

/** Adds bits of a packed word, moved up by `shift`, where the second constant has ones. */
function upperBits(
  a: Assembler,
  { from, half, shift }: { from: number; half: Half; shift: number },
  to: Vector,
): void {
  a.v.vmovups(spare, wordAt(from, half));
  if (shift > 0) a.v.vpsllw(spare, spare, shift);
  else if (shift < 0) a.v.vpsrlw(spare, spare, -shift);
  a.v.vpand(spare, spare, constantAt(1));
  a.v.vpor(to, to, spare);
}

/** Eight 16-bit floats side by side become the only scale. */
function halfScale(words: number): WordReader["begin"] {
  return (a, half) => {
    a.v.vcvtph2ps(spare, mem(rdx, LANES_BYTES * words + (VECTOR_BYTES / 2) * half));
    a.v.vstoreups(scaleAt(0), spare);
  };
}

const q8: WordReader = {
  signed: true,
  correction: "none",
  words: 1,
  prepare: constants([everyByte(0x80)]),
  begin: halfScale(8),
  parts: 1,
  word: (a, { i, half }, to) => {
    a.v.vmovups(to, wordAt(i, half));
    a.v.vpxor(to, to, constantAt(0));
  },
};

const q4: WordReader = {
  signed: false,
  correction: "minus8",
  words: 8,
  prepare: constants([everyByte(0x0f)]),
  begin: halfScale(4),
  parts: 1,
  word: (a, { i, half }, to) => {
    halfBytes(a, { from: i % 4, half, upper: i >= 4 }, to);
  },
};

/** Constants of `kScales`, behind those of the values. */
const [SIX_BITS, UPPER_TWO, BYTE] = [2, 3, 4];

/** d, dmin and 6-bit scales and minima (`get_scale_min_k4` in ggml-quants.c) as floats onto the stack. */
function kScales(a: Assembler, half: Half): void {
  const { v } = a;
  const [d, dmin, s0, s1, s2, t, u, x] = [4, 5, 6, 7, 8, 9, 10, 11].map(ymm) as Eight;
  // 16 bits of each lane side by side, then as floats.
  const asFloats = (to: Vector): void => {
    v.vpackusdw(to, to, to);
    v.vpermq(to, to, 0x08);
    v.vcvtph2ps(to, xmm(to.index));
  };
  v.vmovups(t, wordAt(0, half));
  v.vpslld(d, t, 16);
  v.vpsrld(d, d, 16);
  asFloats(d);
  v.vpsrld(dmin, t, 16);
  asFloats(dmin);
  v.vmovups(s0, wordAt(1, half));
  v.vmovups(s1, wordAt(2, half));
  v.vmovups(s2, wordAt(3, half));
  const spread = (packed: Vector, factor: Vector, first: number): void => {
    for (let j = 0; j < 4; j++) {
      v.vpsrld(x, packed, 8 * j);
      v.vpand(x, x, constantAt(BYTE));
      v.vcvtdq2ps(x, x);
      v.vmulps(x, x, factor);
      v.vstoreups(scaleAt(first + j), x);
    }
  };
  v.vpand(t, s0, constantAt(SIX_BITS));
  spread(t, d, 0);
  v.vpand(t, s1, constantAt(SIX_BITS));
  spread(t, dmin, 8);
  // Blocks 4 … 7: lower four bits in the third word, upper two above the six bits of the first two.
  for (const [source, shift, factor, first] of [
    [s0, 0, d, 4],
    [s1, 4, dmin, 12],
  ] as const) {
    v.vpsrld(t, s2, shift);
    v.vpand(t, t, constantAt(0));
    v.vpsrld(u, source, 2);
    v.vpand(u, u, constantAt(UPPER_TWO));
    v.vpor(t, t, u);
    spread(t, factor, first);
  }
}

type Eight = [Vector, Vector, Vector, Vector, Vector, Vector, Vector, Vector];

function kReader(fifthBits: boolean): WordReader {
  const values = fifthBits ? 12 : 4;
  const bytes = [0x0f, 0x10, 0x3f, 0x30].map(everyByte);
  return {
    signed: false,
    correction: "minimum",
    words: fifthBits ? 4 : 8,
    prepare: constants([...bytes, 0xff]),
    begin: kScales,
    parts: 8,
    word: (a, { part, i, half }, to) => {
      const from = values + 8 * Math.floor(part / 2) + i;
      halfBytes(a, { from, half, upper: part % 2 === 1 }, to);
      if (fifthBits) upperBits(a, { from: 4 + i, half, shift: 4 - part }, to);
    },
  };
}

const q6: WordReader = {
  signed: false,
  correction: "minus32",
  words: 2,
  prepare: constants([everyByte(0x0f), everyByte(0x30)]),
  begin: (a, half) => {
    const { v } = a;
    const [d, x] = [ymm(4), ymm(5)];
    v.vcvtph2ps(d, mem(rdx, LANES_BYTES * 52 + (VECTOR_BYTES / 2) * half));
    for (let i = 0; i < 16; i++) {
      v.vmovups(x, wordAt(48 + Math.floor(i / 4), half));
      v.vpslld(x, x, 24 - 8 * (i % 4));
      v.vpsrad(x, x, 24);
      v.vcvtdq2ps(x, x);
      v.vmulps(x, x, d);
      v.vstoreups(scaleAt(i), x);
    }
  },
  parts: 8,
  word: (a, { part, i, half }, to) => {
    const [upper, quarter] = [Math.floor(part / 4), part % 4];
    halfBytes(a, { from: 16 * upper + 8 * (quarter % 2) + i, half, upper: quarter >= 2 }, to);
    upperBits(a, { from: 32 + 8 * upper + i, half, shift: 4 - 2 * quarter }, to);
  },
};

export const WORD_READERS: Record<WeightType, WordReader> = {
  q8_0: q8,
  q4_0: q4,
  q4_k: kReader(false),
  q5_k: kReader(true),
  q6_k: q6,
};
