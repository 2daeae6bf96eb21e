/**
 * `activations.ts` with AVX2 instructions: the same bytes in the same places.
 *
 * | register | holds |
 * |---|---|
 * | r8, r9 | the next row and the number of rows |
 * | rcx, rdx | the next values, and where their bytes go |
 * | rsi, rbx | where 4 bytes, and 8 bytes, of each block go |
 * | r10 | blocks left |
 * | r11, r12, r13 | rows of values, rows of results, threads |
 * | vectors 0 … 3 | 8 values each, then integers |
 * | 4 … 7 | magnitudes, sums |
 * | 8, 9, 10 | scale, its inverse, zero |
 * | 11 … 15 | constants: magnitude bits, least maximum, 127, 1/127, the order of packed words |
 */
import { activationLayout, BLOCK, LARGEST, LEAST, MAGNITUDE } from "./activations.ts";
import { Assembler } from "./assembler.ts";
import { floatBits } from "./encoding.ts";
import { ARGUMENTS, kernelFunction, loadInput, loadOutput, TENSOR_OFFSET } from "./frame.ts";
import {
  mem,
  r10,
  r11,
  r12,
  r13,
  r8,
  r9,
  rbx,
  rcx,
  rdx,
  rsi,
  rsp,
  xmm,
  ymm,
  type Vector,
} from "./operands.ts";
import { stackVector } from "./quantized-words.ts";

const VECTOR_BYTES = 32;

/** @param rowStride - bytes from row to row of the values, which lie side by side */
export function assembleQuantizeRowsAvx2(k: number, rowStride: number): Uint8Array {
  const a = new Assembler();
  const { v } = a;
  const layout = activationLayout(k);
  const values = [ymm(0), ymm(1), ymm(2), ymm(3)] as const;
  const [left, right, sums, spare] = [ymm(4), ymm(5), [ymm(4), ymm(5)] as const, ymm(7)];
  const [scale, inverse, zero] = [ymm(8), ymm(9), ymm(10)];
  const [magnitude, least, largest, share, order] = [ymm(11), ymm(12), ymm(13), ymm(14), ymm(15)];
  const acrossLanes = (x: Vector, combine: (to: Vector, p: Vector, q: Vector) => void): void => {
    v.vperm2f128(spare, x, x, 0x01);
    combine(x, x, spare);
    for (const control of [0x4e, 0xb1]) {
      v.vshufps(spare, x, x, control);
      combine(x, x, spare);
    }
  };
  const storeFirst = (offset: number, base: typeof rsi, from: Vector): void => {
    v.vmovss(mem(base, offset), xmm(from.index));
  };

  kernelFunction(a, { localBytes: 5 * VECTOR_BYTES }, () => {
    const constants: [Vector, readonly number[]][] = [
      [magnitude, [MAGNITUDE]],
      [least, [floatBits(LEAST)]],
      [largest, [floatBits(LARGEST)]],
      [share, [floatBits(1 / LARGEST)]],
      [order, [0, 4, 1, 5, 2, 6, 3, 7]],
    ];
    constants.forEach(([to, bits], i) => {
      stackVector(a, VECTOR_BYTES * i, bits);
      v.vmovups(to, mem(rsp, VECTOR_BYTES * i));
    });
    v.vxorps(zero, zero, zero);
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
    a.mov(rbx, rdx);
    a.mov(r10, k / BLOCK);
    const blocks = a.here();
    values.forEach((x, i) => {
      v.vmovups(x, mem(rcx, VECTOR_BYTES * i));
    });
    v.vpand(left, values[0], magnitude);
    for (const x of values.slice(1)) {
      v.vpand(right, x, magnitude);
      v.vpmaxud(left, left, right);
    }
    acrossLanes(left, v.vpmaxud);
    v.vmaxps(left, least, left); // a NaN stays
    v.vdivps(inverse, largest, left);
    v.vmulps(scale, left, share); // s
    storeFirst(layout.scales, rsi, scale);
    for (const x of values) {
      v.vmulps(x, x, inverse);
      v.vcvtps2dq(x, x);
    }
    sums.forEach((sum, half) => {
      v.vpaddd(sum, values[2 * half] as Vector, values[2 * half + 1] as Vector);
      acrossLanes(sum, v.vpaddd);
    });
    v.vpackssdw(values[0], values[0], values[1]);
    v.vpackssdw(values[2], values[2], values[3]);
    v.vpacksswb(values[0], values[0], values[2]);
    v.vpermd(values[0], order, values[0]);
    v.vstoreups(mem(rdx), values[0]);
    v.vpaddd(values[1], sums[0], sums[1]);
    v.vcvtdq2ps(spare, values[1]);
    v.vmulps(spare, spare, scale);
    storeFirst(layout.sums, rsi, spare);
    v.vpsubd(values[1], zero, values[1]);
    v.vpslld(spare, values[1], 7);
    storeFirst(layout.minus128, rsi, spare);
    v.vpslld(spare, values[1], 3);
    storeFirst(layout.minus8, rsi, spare);
    sums.forEach((sum, half) => {
      v.vpsubd(sum, zero, sum);
      v.vpslld(sum, sum, 5);
      storeFirst(layout.minus32 + 4 * half, rbx, sum);
    });
    a.add(rcx, 4 * BLOCK);
    a.add(rdx, BLOCK);
    a.add(rsi, 4);
    a.add(rbx, 8);
    a.sub(r10, 1);
    a.jumpIf("notEqual", blocks);
    a.add(r8, r13);
    a.jump(rows);
    a.bind(end);
  });
  return a.finish();
}
