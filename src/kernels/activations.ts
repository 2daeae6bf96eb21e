/**
 * Activations as signed bytes, for products with weights in blocks of 32 (`wide-activations.ts` has those for longer ones): each
 * block of 32 neighbours x gets a scale s = max|x| / 127 and integers q = round(x / s), as ggml's Q8_0, and the sums that the
 * weights' offsets are multiplied with.
 *
 * A row of K values becomes, with B = K / 32 blocks:
 *
 *   K bytes q · B floats s · B integers −128·Σq · B integers −8·Σq · B floats s·Σq · 2B integers −32·Σq of each half · padding
 *
 * The last two are left as they are here: they serve AVX2 (`activations-avx2.ts`), whose weights all meet blocks of 32.
 *
 * Rows lie an odd number of cache lines apart, so that sixteen of them do not fall into few sets of the cache. A NaN makes its
 * block's scale NaN, an infinity makes its products NaN: neither is lost.
 *
 * | register | holds |
 * |---|---|
 * | r8, r9 | the next row and the number of rows |
 * | rcx, rdx | the next values, and where their bytes go |
 * | rsi | where 4 bytes of each block go |
 * | r10 | blocks left |
 * | r11, r12 | rows of values, and of results |
 * | vectors 0, 1 | 16 values each, then integers |
 * | 2 … 5 | magnitudes, sums |
 * | 16 … 19 | constants: magnitude bits, least maximum, 127, 1/127 |
 */
import { Assembler } from "./assembler.ts";
import { floatBits } from "./encoding.ts";
import { ARGUMENTS, kernelFunction, loadInput, loadOutput, TENSOR_OFFSET } from "./frame.ts";
import {
  masked,
  mem,
  r10,
  r11,
  r12,
  r13,
  r8,
  r9,
  rax,
  rcx,
  rdx,
  rsi,
  zmm,
  type Vector,
} from "./operands.ts";
import { acrossLanes } from "./rows.ts";

export const BLOCK = 32;
const LINE = 64;

/** Byte offsets of the parts of a row of `k` values, and the bytes from row to row. */
export function activationLayout(k: number): {
  scales: number;
  minus128: number;
  minus8: number;
  sums: number;
  minus32: number;
  pitch: number;
} {
  const blocks = k / BLOCK;
  const end = k + 24 * blocks;
  const lines = Math.ceil(end / LINE);
  return {
    scales: k,
    minus128: k + 4 * blocks,
    minus8: k + 8 * blocks,
    sums: k + 12 * blocks,
    minus32: k + 16 * blocks,
    pitch: LINE * (lines + 1 - (lines % 2)),
  };
}

export const MAGNITUDE = 0x7fffffff;
/** Below this a block counts as zero: 127 divided by it is still a number. */
export const LEAST = 1e-30;
export const LARGEST = 127;

/** @param rowStride - bytes from row to row of the values, which lie side by side */
export function assembleQuantizeRows(k: number, rowStride: number): Uint8Array {
  const a = new Assembler();
  const { v } = a;
  const layout = activationLayout(k);
  const values = [zmm(0), zmm(1)] as const;
  const [left, right, total, spare] = [zmm(2), zmm(3), zmm(4), zmm(5)];
  const [magnitude, least, largest, inverse] = [zmm(16), zmm(17), zmm(18), zmm(19)];
  const storeFirst = (offset: number, from: Vector): void => {
    v.vstoreups(masked(mem(rsi, offset), 1), from);
  };

  kernelFunction(a, { localBytes: 0 }, () => {
    for (const [to, bits] of [
      [magnitude, MAGNITUDE],
      [least, floatBits(LEAST)],
      [largest, floatBits(LARGEST)],
      [inverse, floatBits(1 / LARGEST)],
    ] as const) {
      a.mov(rax, bits);
      v.vpbroadcastdFrom(to, rax);
    }
    a.mov(rax, 1);
    v.kmovw(1, rax);
    a.mov(r8, ARGUMENTS.thread);
    a.mov(r13, ARGUMENTS.threads);
    a.mov(r9, mem(ARGUMENTS.out, TENSOR_OFFSET.ne + 8));
    loadInput(a, r11, 0);
    loadOutput(a, r12);
    const end = a.label();
    const rows = a.here();
    a.cmp(r8, r9);
    a.jumpIf("aboveOrEqual", end);
    a.imul(rcx, r8, rowStride);
    a.add(rcx, r11);
    a.imul(rdx, r8, layout.pitch);
    a.add(rdx, r12);
    a.mov(rsi, rdx);
    a.mov(r10, k / BLOCK);
    const blocks = a.here();
    v.vmovups(values[0], mem(rcx));
    v.vmovups(values[1], mem(rcx, 64));
    v.vpandd(left, values[0], magnitude);
    v.vpandd(right, values[1], magnitude);
    v.vpmaxud(left, left, right);
    acrossLanes(a, left, spare, v.vpmaxud);
    v.vmaxps(left, least, left); // a NaN stays
    v.vdivps(right, largest, left);
    v.vmulps(left, left, inverse); // s
    storeFirst(layout.scales, left);
    for (const [i, x] of values.entries()) {
      v.vmulps(x, x, right);
      v.vcvtps2dq(x, x);
      v.vpmovdb(mem(rdx, 16 * i), x);
    }
    v.vpaddd(total, values[0], values[1]);
    acrossLanes(a, total, spare, v.vpaddd);
    v.vpxord(right, right, right);
    v.vpsubd(total, right, total);
    v.vpslld(spare, total, 7);
    storeFirst(layout.minus128, spare);
    v.vpslld(spare, total, 3);
    storeFirst(layout.minus8, spare);
    a.add(rcx, 4 * BLOCK);
    a.add(rdx, BLOCK);
    a.add(rsi, 4);
    a.sub(r10, 1);
    a.jumpIf("notEqual", blocks);
    a.add(r8, r13);
    a.jump(rows);
    a.bind(end);
  });
  return a.finish();
}
