/**
 * Ceilings of arithmetic: a loop that multiplies and adds in registers and touches no memory. What it computes is of no use; each
 * thread does the same amount.
 *
 * | arithmetic | instruction | operations of a vector (AVX-512, AVX2) |
 * |---|---|---|
 * | f32 | vfmadd231ps | 32, 16 |
 * | bf16 | vdpbf16ps | 64, – |
 * | int8 | vpdpbusd; vpmaddubsw, vpmaddwd and vpaddd | 128, 64 |
 *
 * | register | holds |
 * |---|---|
 * | rax | turns left |
 * | vectors 0 … 11 | sums: twelve independent chains, more than the instructions' latency needs |
 * | 12, 13 | factors |
 * | 14, 15 | between (AVX2) |
 */
import { Assembler } from "./assembler.ts";
import { kernelFunction } from "./frame.ts";
import { rax, zmm, type Vector } from "./operands.ts";
import { LANES, type VectorLevel } from "./vector-level.ts";

export type Arithmetic = "f32" | "bf16" | "int8";

const CHAINS = 12;
/** Half a millisecond or so: short enough to be left alone by other programs now and then. */
const TURNS = 100_000;
/** Multiplications and additions in each 32-bit lane. */
const LANE_OPERATIONS = { f32: 2, bf16: 4, int8: 8 } as const;

/** Operations of one call on each thread. */
export function peakOperations(arithmetic: Arithmetic, level: VectorLevel): number {
  return TURNS * CHAINS * LANES[level].count * LANE_OPERATIONS[arithmetic];
}

export function assemblePeak(arithmetic: Arithmetic, level: VectorLevel): Uint8Array {
  const a = new Assembler();
  const { v } = a;
  const { vector } = LANES[level];
  const [x, y] = [vector(12), vector(13)];
  const between = (i: number): Vector => vector(14 + (i % 2));
  kernelFunction(a, { localBytes: 0 }, () => {
    for (let i = 0; i < 16; i++)
      if (level === "avx512") v.vpxord(zmm(i), zmm(i), zmm(i));
      else v.vxorps(vector(i), vector(i), vector(i));
    a.mov(rax, TURNS);
    const loop = a.here();
    for (let i = 0; i < CHAINS; i++) {
      const sum = vector(i);
      if (arithmetic === "f32") v.vfmadd231ps(sum, x, y);
      else if (arithmetic === "bf16") v.vdpbf16ps(sum, x, y);
      else if (level === "avx512") v.vpdpbusd(sum, x, y);
      else {
        v.vpmaddubsw(between(i), x, y);
        v.vpmaddwd(between(i), between(i), y);
        v.vpaddd(sum, sum, between(i));
      }
    }
    a.sub(rax, 1);
    a.jumpIf("notEqual", loop);
  });
  return a.finish();
}
