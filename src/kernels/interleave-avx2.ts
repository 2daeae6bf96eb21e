/**
 * `interleave.ts` with AVX2 instructions: the same bytes in the same places, eight of the sixteen rows at a time.
 *
 * | register | holds |
 * |---|---|
 * | r8, r9 | packed bytes and rows, at the current block |
 * | r10, r11 | the next group and one more than the last of this thread |
 * | r12 | blocks left |
 * | vectors 0 … 3 | row j of each quarter, then four words of eight rows |
 * | vectors 4 … 7 | between |
 * | vector 15 | what words are flipped with |
 */
import { Assembler } from "./assembler.ts";
import { ARGUMENTS, kernelFunction } from "./frame.ts";
import { mem, r10, r11, r12, r8, r9, rax, rsp, xmm, ymm } from "./operands.ts";
import { stackVector } from "./quantized-words.ts";
import {
  GROUP_ROWS,
  WEIGHT_FORMATS,
  type WeightFormat,
  type WeightType,
} from "./weight-formats.ts";
import { shareGroups } from "./work.ts";

const HALF_ROWS = GROUP_ROWS / 2;

export function assembleInterleaveAvx2(
  type: WeightType,
  [m, k]: readonly [number, number],
): Uint8Array {
  const a = new Assembler();
  const { v } = a;
  const format: WeightFormat = WEIGHT_FORMATS[type];
  const blocks = k / format.blockSize;
  const rowBytes = blocks * format.blockBytes;
  const flip = ymm(15);
  /** Words of eight rows, from `offset` in the block on, in vectors 0 … 3. */
  const fourWords = (offset: number, half: number): void => {
    for (let j = 0; j < 4; j++) {
      const at = (quarter: number) =>
        mem(r9, (HALF_ROWS * half + 4 * quarter + j) * rowBytes + offset);
      v.vmovups(xmm(j), at(0));
      v.vinserti128(ymm(j), ymm(j), at(1), 1);
    }
    for (let pair = 0; pair < 4; pair += 2) {
      v.vunpcklps(ymm(4 + pair), ymm(pair), ymm(pair + 1));
      v.vunpckhps(ymm(5 + pair), ymm(pair), ymm(pair + 1));
    }
    for (let high = 0; high < 2; high++) {
      v.vunpcklpd(ymm(2 * high), ymm(4 + high), ymm(6 + high));
      v.vunpckhpd(ymm(2 * high + 1), ymm(4 + high), ymm(6 + high));
    }
  };
  kernelFunction(a, { localBytes: 32 }, () => {
    shareGroups(a, m / GROUP_ROWS, { first: r10, end: r11 });
    stackVector(a, 0, [format.flip]);
    v.vmovups(flip, mem(rsp));
    a.mov(r8, mem(ARGUMENTS.out));
    a.mov(r9, mem(ARGUMENTS.out, 8));
    a.imul(rax, r10, GROUP_ROWS * rowBytes);
    a.add(r8, rax);
    a.add(r9, rax);
    const end = a.label();
    const groups = a.here();
    a.cmp(r10, r11);
    a.jumpIf("aboveOrEqual", end);
    a.mov(r12, blocks);
    const loop = a.here();
    for (let first = 0; first < format.words; first += 4)
      for (let half = 0; half < 2; half++) {
        fourWords(format.wordsAt + 4 * first, half);
        for (let i = 0; i < 4; i++) {
          if (format.flip !== 0) v.vpxor(ymm(i), ymm(i), flip);
          v.vstoreups(mem(r8, 64 * (first + i) + 32 * half), ymm(i));
        }
      }
    format.halves.forEach((offset, i) => {
      for (let half = 0; half < 2; half++) {
        for (let row = 0; row < HALF_ROWS; row++)
          v.vpinsrw(xmm(0), xmm(0), mem(r9, (HALF_ROWS * half + row) * rowBytes + offset), row);
        v.vstoreups(mem(r8, 64 * format.words + 32 * i + 16 * half), xmm(0));
      }
    });
    a.add(r8, GROUP_ROWS * format.blockBytes);
    a.add(r9, format.blockBytes);
    a.sub(r12, 1);
    a.jumpIf("notEqual", loop);
    a.add(r9, (GROUP_ROWS - 1) * rowBytes);
    a.add(r10, 1);
    a.jump(groups);
    a.bind(end);
  });
  return a.finish();
}
