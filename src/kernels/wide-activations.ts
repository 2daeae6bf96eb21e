/**
 * Activations as signed bytes in blocks of 256, for weights whose blocks are as long (K-quants), as ggml's Q8_K: each block has a scale
 * s = max|x| / 127 and integers q = round(x / s). A row of K values becomes K / 256 blocks of `WIDE.bytes`:
 *
 *   256 bytes q · 16 integers −32·Σq of 16 neighbours each · 8 × (Σq of 32 neighbours as a float, unused) · s · padding
 *
 * A NaN makes its block's scale NaN, an infinity makes its products NaN: neither is lost.
 *
 * | register | holds |
 * |---|---|
 * | r8, r9, r13 | the next row, the number of rows, threads |
 * | r10 | blocks left |
 * | r11, r12 | rows of values, and of results |
 * | rcx, rdx | the next values, and where their block goes |
 * | vectors 0 … 15 | values, then integers |
 * | 16 … 19 | constants: magnitude bits, least maximum, 127, 1/127 |
 * | 20, 21 | ones, and where each sum of 16 comes from |
 * | 22 … 25 | magnitudes, sums |
 */
import { Assembler } from "./assembler.ts";
import { LARGEST, LEAST, MAGNITUDE } from "./activations.ts";
import { floatBits, int32 } from "./encoding.ts";
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
  rsp,
  zmm,
  type Vector,
} from "./operands.ts";
import { acrossLanes } from "./rows.ts";

const LINE = 64;

/** Values in a block, its bytes, and where its parts begin. */
export const WIDE = { block: 256, bytes: 448, minus32: 256, sums: 320, scale: 384 } as const;

/** Bytes from row to row: an odd number of lines, so that rows do not fall into few sets of the cache. */
export function widePitch(k: number): number {
  const lines = ((k / WIDE.block) * WIDE.bytes) / LINE;
  return LINE * (lines + 1 - (lines % 2));
}

/** @param rowStride - bytes from row to row of the values, which lie side by side */
export function assembleQuantizeWide(k: number, rowStride: number): Uint8Array {
  const a = new Assembler();
  const { v } = a;
  const values = Array.from({ length: 16 }, (_, i) => zmm(i));
  const at = (i: number): Vector => zmm(i);
  const [magnitude, least, largest, inverse] = [zmm(16), zmm(17), zmm(18), zmm(19)];
  const [ones, order, left, right, spare, total] = [20, 21, 22, 23, 24, 25].map((i) => zmm(i)) as [
    Vector,
    Vector,
    Vector,
    Vector,
    Vector,
    Vector,
  ];

  const scaleBlock = (): void => {
    for (const [i, x] of values.entries()) v.vmovups(x, mem(rcx, LINE * i));
    v.vpandd(left, at(0), magnitude);
    for (const x of values.slice(1)) {
      v.vpandd(right, x, magnitude);
      v.vpmaxud(left, left, right);
    }
    acrossLanes(a, left, spare, v.vpmaxud);
    v.vmaxps(left, least, left); // a NaN stays
    v.vdivps(right, largest, left);
    v.vmulps(left, left, inverse); // s
    v.vstoreups(masked(mem(rdx, WIDE.scale), 1), left);
    for (const [i, x] of values.entries()) {
      v.vmulps(x, x, right);
      v.vcvtps2dq(x, x);
      v.vpmovdb(mem(rdx, 16 * i), x);
    }
  };
  /** From the bytes: sums of four, then of four fours within each quarter of a vector. */
  const sumBlock = (): void => {
    const [t, u] = [at(4), at(5)];
    for (let i = 0; i < 4; i++) {
      v.vpxord(at(i), at(i), at(i));
      v.vpdpbusd(at(i), ones, mem(rdx, LINE * i));
    }
    for (const [to, x, y] of [
      [t, at(0), at(1)],
      [u, at(2), at(3)],
    ] as const) {
      v.vunpcklps(to, x, y);
      v.vunpckhps(x, x, y);
      v.vpaddd(to, to, x);
    }
    v.vunpcklpd(total, t, u);
    v.vunpckhpd(t, t, u);
    v.vpaddd(total, total, t);
    v.vpermd(total, order, total);
    v.vpxord(t, t, t);
    v.vpsubd(t, t, total);
    v.vpslld(t, t, 5);
    v.vstoreups(mem(rdx, WIDE.minus32), t);
    v.vshufps(t, total, total, 0xb1); // its neighbour
    v.vpaddd(t, t, total);
    v.vcvtdq2ps(t, t);
    v.vstoreups(mem(rdx, WIDE.sums), t);
  };
  const eachBlock = (body: () => void): void => {
    a.imul(rcx, r8, rowStride);
    a.add(rcx, r11);
    a.imul(rdx, r8, widePitch(k));
    a.add(rdx, r12);
    a.mov(r10, k / WIDE.block);
    const blocks = a.here();
    body();
    a.add(rcx, 4 * WIDE.block);
    a.add(rdx, WIDE.bytes);
    a.sub(r10, 1);
    a.jumpIf("notEqual", blocks);
  };

  kernelFunction(a, { localBytes: LINE }, () => {
    for (const [to, bits] of [
      [magnitude, MAGNITUDE],
      [least, floatBits(LEAST)],
      [largest, floatBits(LARGEST)],
      [inverse, floatBits(1 / LARGEST)],
      [ones, 0x01010101],
    ] as const) {
      a.mov(rax, bits);
      v.vpbroadcastdFrom(to, rax);
    }
    for (let i = 0; i < 16; i++) {
      a.mov(rax, 4 * (i % 4) + Math.floor(i / 4));
      a.raw([0x89, 0x84, 0x24, ...int32(4 * i)]); // mov [rsp + 4i], eax
    }
    v.vmovups(order, mem(rsp));
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
    eachBlock(scaleBlock);
    eachBlock(sumBlock); // apart, so that bytes are not read as a vector before they have reached the cache
    a.add(r8, r13);
    a.jump(rows);
    a.bind(end);
  });
  return a.finish();
}
