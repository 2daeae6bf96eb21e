/**
 * exp(u) of each lane: 2ⁿ · exp(r) with n = round(u / ln 2) and r = u − n · ln 2 in two parts (Cody & Waite), exp(r) by its Taylor
 * polynomial of degree 7, whose error is below 1e-8 for |r| ≤ ln 2 / 2. Below −104 it is 0, above 88.7 it is infinite; a NaN stays one.
 *
 * | vectors | hold |
 * |---|---|
 * | 0 | u |
 * | 1, 2 | r, n |
 * | 3 | exp(u) |
 * | 16 … 27 | constants |
 */
import type { Assembler } from "./assembler.ts";
import { floatBits } from "./encoding.ts";
import { rax, zmm, type Vector } from "./operands.ts";

const LN2_HIGH = 0.693145751953125;
const LN2_LOW = Math.LN2 - LN2_HIGH;
/** exp of these is 0 and infinity in 32 bits. */
const [LEAST, LARGEST] = [-104, 200];
const TAYLOR = [1 / 5040, 1 / 720, 1 / 120, 1 / 24, 1 / 6, 1 / 2, 1, 1];
const VALUES = [1 / Math.LN2, LN2_HIGH, LN2_LOW, LEAST, ...TAYLOR, LARGEST];
const FIRST = 16;
const [toBase2, high, low, least] = [zmm(FIRST), zmm(FIRST + 1), zmm(FIRST + 2), zmm(FIRST + 3)];
const taylor = TAYLOR.map((_, i) => zmm(FIRST + 4 + i));
const largest = zmm(FIRST + 4 + TAYLOR.length);

/** 1 in all lanes, once the constants are there. */
export const ONE = taylor.at(-1) as Vector;

/** Sets a vector to a number in all lanes; changes rax. */
export function setLanes(a: Assembler, to: Vector, value: number): void {
  a.mov(rax, floatBits(value));
  a.v.vpbroadcastdFrom(to, rax);
}

export function prepareExponential(a: Assembler): void {
  VALUES.forEach((value, i) => {
    setLanes(a, zmm(FIRST + i), value);
  });
}

/** Vector 3 becomes exp of vector 0. */
export function exponential({ v }: Assembler): void {
  const [u, r, n, e] = [zmm(0), zmm(1), zmm(2), zmm(3)];
  // Of two operands that are no numbers, these give the second.
  v.vmaxps(u, least, u);
  v.vminps(u, largest, u);
  v.vmulps(n, u, toBase2);
  v.vcvtps2dq(n, n);
  v.vcvtdq2ps(n, n);
  v.vmovups(r, u);
  v.vfnmadd231ps(r, n, high);
  v.vfnmadd231ps(r, n, low);
  v.vmovups(e, taylor[0] as Vector);
  for (const coefficient of taylor.slice(1)) v.vfmadd213ps(e, r, coefficient);
  v.vscalefps(e, e, n);
}
