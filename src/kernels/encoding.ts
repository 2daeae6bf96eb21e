/**
 * Instruction encoding of x86-64 (Intel 64 and IA-32 Architectures Software Developer's Manual, volume 2, chapter 2):
 * REX for general registers, VEX (§2.3) for vectors of 16 and 32 bytes, EVEX (§2.7) for 64 bytes, masks and broadcasts.
 */
import { invariant } from "../base/errors.ts";
import type { General, Memory, Vector } from "./operands.ts";

/** What an EVEX displacement of one byte counts in: the bytes that the memory operand has. */
export type Tuple = "full" | "half" | "quarter" | "element4" | "element2";

export interface VectorOpcode {
  /** Opcode map: 1 is 0F, 2 is 0F38, 3 is 0F3A. */
  map: 1 | 2 | 3;
  /** Mandatory prefix: none, 66, F3, F2. */
  prefix: 0 | 1 | 2 | 3;
  opcode: number;
  /** The W bit: in VEX and EVEX alike, or in EVEX alone. */
  w?: 1 | "evex";
  tuple?: Tuple;
  /** Which encodings there are; both by default. */
  only?: "vex" | "evex";
}

const isByte = (n: number): boolean => n >= -128 && n <= 127;

/** Little-endian bytes of a 32-bit number. */
export function int32(value: number): number[] {
  invariant(value === (value | 0), `${value} is no 32-bit number`);
  return [value & 255, (value >> 8) & 255, (value >> 16) & 255, value >>> 24];
}

/** The bits of a 32-bit float. */
export function floatBits(value: number): number {
  return new Int32Array(Float32Array.of(value).buffer)[0] ?? 0;
}

/** ModRM, SIB and displacement; `unit` is what a displacement of one byte counts in. */
function modRm(reg: number, rm: General | Vector | Memory, unit = 1): number[] {
  const field = (reg & 7) << 3;
  if (rm.kind !== "memory") return [0xc0 | field | (rm.index & 7)];
  const { base, index, scale, displacement } = rm;
  const short = displacement / unit;
  const mode =
    displacement === 0 && (base.index & 7) !== 5
      ? 0
      : Number.isInteger(short) && isByte(short)
        ? 0x40
        : 0x80;
  const tail = mode === 0 ? [] : mode === 0x40 ? [short & 255] : int32(displacement);
  if (index === undefined && (base.index & 7) !== 4)
    return [mode | field | (base.index & 7), ...tail];
  invariant(index?.kind !== "general" || index.index !== 4, "rsp cannot be an index");
  const sib = (Math.log2(scale) << 6) | (((index?.index ?? 4) & 7) << 3) | (base.index & 7);
  return [mode | field | 4, sib, ...tail];
}

/** REX prefix, opcode and operands of an instruction on general registers. */
export function general64(
  opcode: readonly number[],
  reg: number,
  rm: General | Memory,
  { wide = true }: { wide?: boolean } = {},
): number[] {
  const [b, x] = highBits(rm);
  const rex = 0x40 | (wide ? 8 : 0) | ((reg >> 3) << 2) | (x << 1) | b;
  return [...(rex === 0x40 ? [] : [rex]), ...opcode, ...modRm(reg, rm)];
}

function highBits(rm: General | Vector | Memory): [b: number, x: number] {
  if (rm.kind !== "memory") return [(rm.index >> 3) & 1, (rm.index >> 4) & 1];
  return [rm.base.index >> 3, ((rm.index?.index ?? 0) >> 3) & 1];
}

export interface VectorOperands {
  /** The ModRM register field: a register or an opcode extension. */
  reg: number;
  /** The second source, or 0. */
  vvvv: number;
  rm: General | Vector | Memory;
  sizeBytes: 16 | 32 | 64;
  mask?: number | undefined;
  zeroing?: boolean | undefined;
}

/** An instruction on vectors, in VEX where that can say it and in EVEX otherwise. */
export function vectorInstruction(
  { map, prefix, opcode, w, tuple = "full", only }: VectorOpcode,
  operands: VectorOperands,
): number[] {
  const { reg, vvvv, rm, sizeBytes, mask = 0, zeroing = false } = operands;
  const isMemory = rm.kind === "memory";
  const highest = Math.max(reg, vvvv, isMemory ? (rm.index?.index ?? 0) : rm.index);
  const needsEvex =
    only === "evex" || sizeBytes === 64 || highest > 15 || mask !== 0 || (isMemory && rm.broadcast);
  const [b, x] = highBits(rm);
  if (!needsEvex) {
    const wide = w === 1 ? 0x80 : 0;
    const last = wide | ((~vvvv & 15) << 3) | (sizeBytes === 32 ? 4 : 0) | prefix;
    const r = (~reg << 4) & 0x80;
    const head =
      map === 1 && b === 0 && x === 0 && wide === 0
        ? [0xc5, r | last]
        : [0xc4, r | ((x ^ 1) << 6) | ((b ^ 1) << 5) | map, last];
    return [...head, opcode, ...modRm(reg, rm)];
  }
  invariant(only !== "vex", "an instruction that has no EVEX encoding");
  const unit =
    isMemory && rm.broadcast
      ? 4
      : { full: sizeBytes, half: sizeBytes / 2, quarter: sizeBytes / 4, element4: 4, element2: 2 }[
          tuple
        ];
  // V' holds the fifth bit of vvvv or, in a gather, of the index.
  const fifth = isMemory && rm.index?.kind === "vector" ? rm.index.index >> 4 : vvvv >> 4;
  return [
    0x62,
    ((~reg << 4) & 0x80) | ((x ^ 1) << 6) | ((b ^ 1) << 5) | ((~reg & 16) === 0 ? 0 : 16) | map,
    (w === undefined ? 0 : 0x80) | ((~vvvv & 15) << 3) | 4 | prefix,
    (zeroing ? 0x80 : 0) |
      ({ 16: 0, 32: 1, 64: 2 }[sizeBytes] << 5) |
      (isMemory && rm.broadcast ? 16 : 0) |
      ((fifth ^ 1) << 3) |
      mask,
    opcode,
    ...modRm(reg, rm, unit),
  ];
}
