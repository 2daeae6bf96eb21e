/**
 * Turns a square of 32-bit values in registers: 16 × 16 (AVX-512) or 8 × 8 (AVX2). Vector i holds row i before and column i
 * after. Pairs, then fours of rows are interleaved within 128-bit lanes; then whole lanes change places.
 *
 * | registers | hold |
 * |---|---|
 * | 0 … n−1 | the rows |
 * | n … 2n−1 | the columns |
 */
import type { Assembler } from "./assembler.ts";
import type { Vector } from "./operands.ts";
import type { Lanes } from "./vector-level.ts";

/** Turns the square in vectors 0 … n−1 and returns where its columns are; uses all of 0 … 2n−1. */
export function transposeSquare({ v }: Assembler, { count, vector }: Lanes): Vector[] {
  const low = Array.from({ length: count }, (_, i) => vector(i));
  const high = Array.from({ length: count }, (_, i) => vector(count + i));
  const at = (list: readonly Vector[], i: number): Vector => list[i] as Vector;
  for (let i = 0; i < count; i += 2) {
    v.vunpcklps(at(high, i), at(low, i), at(low, i + 1));
    v.vunpckhps(at(high, i + 1), at(low, i), at(low, i + 1));
  }
  // Then low[4g + c] holds, in 128-bit lane l, column 4l + c of rows 4g … 4g+3.
  for (let i = 0; i < count; i += 4)
    for (let half = 0; half < 2; half++) {
      v.vunpcklpd(at(low, i + 2 * half), at(high, i + half), at(high, i + half + 2));
      v.vunpckhpd(at(low, i + 2 * half + 1), at(high, i + half), at(high, i + half + 2));
    }
  if (count === 8) {
    for (let c = 0; c < 4; c++) {
      v.vperm2f128(at(high, c), at(low, c), at(low, 4 + c), 0x20);
      v.vperm2f128(at(high, 4 + c), at(low, c), at(low, 4 + c), 0x31);
    }
    return high;
  }
  const [even, odd] = [0x88, 0xdd]; // lanes 0 and 2, or 1 and 3, of both sources
  for (let c = 0; c < 4; c++) {
    v.vshuff32x4(at(high, c), at(low, c), at(low, 4 + c), even);
    v.vshuff32x4(at(high, 4 + c), at(low, c), at(low, 4 + c), odd);
    v.vshuff32x4(at(high, 8 + c), at(low, 8 + c), at(low, 12 + c), even);
    v.vshuff32x4(at(high, 12 + c), at(low, 8 + c), at(low, 12 + c), odd);
  }
  for (let c = 0; c < 4; c++) {
    v.vshuff32x4(at(low, c), at(high, c), at(high, 8 + c), even);
    v.vshuff32x4(at(low, 8 + c), at(high, c), at(high, 8 + c), odd);
    v.vshuff32x4(at(low, 4 + c), at(high, 4 + c), at(high, 12 + c), even);
    v.vshuff32x4(at(low, 12 + c), at(high, 4 + c), at(high, 12 + c), odd);
  }
  return low;
}
