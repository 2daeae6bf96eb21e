/**
 * Packs quantised weights as `weight-formats.ts` describes: for each group of 16 rows and each block, four words at a time. Four
 * vectors take 16 bytes of each row, row 4l + j in quarter l of vector j, and are turned within their quarters. Runs once, at load, at
 * the speed of memory.
 *
 * Called with `out` pointing at two addresses: where the packed bytes go, and where the rows lie. Threads share the groups.
 *
 * | register | holds |
 * |---|---|
 * | r8, r9 | packed bytes and rows, at the current block |
 * | r10, r11 | the next group and one more than the last of this thread |
 * | r12 | blocks left |
 * | rcx | all lanes set, for the gather's mask |
 * | vector 16 | byte distances of the 16 rows |
 * | vector 17 | what words are flipped with |
 * | vectors 0 … 3 | rows, then four words of each row |
 * | vectors 4 … 7 | between |
 */
import { Assembler } from "./assembler.ts";
import { ARGUMENTS, kernelFunction } from "./frame.ts";
import {
  indexed,
  masked,
  mem,
  r10,
  r11,
  r12,
  r8,
  r9,
  rax,
  rcx,
  rsp,
  xmm,
  ymm,
  zmm,
} from "./operands.ts";
import {
  GROUP_ROWS,
  WEIGHT_FORMATS,
  type WeightFormat,
  type WeightType,
} from "./weight-formats.ts";
import { shareGroups } from "./work.ts";

export function assembleInterleave(
  type: WeightType,
  [m, k]: readonly [number, number],
): Uint8Array {
  const a = new Assembler();
  const { v } = a;
  const format: WeightFormat = WEIGHT_FORMATS[type];
  const blocks = k / format.blockSize;
  const rowBytes = blocks * format.blockBytes;
  const [distances, flip, half] = [zmm(16), zmm(17), zmm(0)];
  /** Words of 16 rows, from `offset` in the block on, in vectors 0 … 3. */
  const fourWords = (offset: number): void => {
    for (let j = 0; j < 4; j++) {
      v.vmovups(xmm(j), mem(r9, j * rowBytes + offset));
      for (let l = 1; l < 4; l++)
        v.vinserti32x4(zmm(j), zmm(j), mem(r9, (4 * l + j) * rowBytes + offset), l);
    }
    for (let pair = 0; pair < 4; pair += 2) {
      v.vunpcklps(zmm(4 + pair), zmm(pair), zmm(pair + 1));
      v.vunpckhps(zmm(5 + pair), zmm(pair), zmm(pair + 1));
    }
    for (let high = 0; high < 2; high++) {
      v.vunpcklpd(zmm(2 * high), zmm(4 + high), zmm(6 + high));
      v.vunpckhpd(zmm(2 * high + 1), zmm(4 + high), zmm(6 + high));
    }
  };
  kernelFunction(a, { localBytes: 64 }, () => {
    shareGroups(a, m / GROUP_ROWS, { first: r10, end: r11 });
    for (let row = 0; row < GROUP_ROWS; row += 2) {
      a.mov(rax, row * rowBytes);
      a.store(mem(rsp, 4 * row), rax); // the upper half is overwritten next
      a.mov(rax, (row + 1) * rowBytes);
      a.raw([0x89, 0x44, 0x24, 4 * (row + 1)]); // mov [rsp + 4 · (row + 1)], eax
    }
    v.vmovups(distances, mem(rsp));
    a.mov(rax, format.flip | 0);
    v.vpbroadcastdFrom(flip, rax);
    a.mov(rcx, 0xffff);
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
    for (let first = 0; first < format.words; first += 4) {
      fourWords(format.wordsAt + 4 * first);
      for (let i = 0; i < 4; i++) {
        if (format.flip !== 0) v.vpxord(zmm(i), zmm(i), flip);
        v.vstoreups(mem(r8, 64 * (first + i)), zmm(i));
      }
    }
    format.halves.forEach((offset, i) => {
      // A word that ends with the half, where it is not the first: nothing behind the block is read.
      v.kmovw(1, rcx);
      const from = indexed(r9, distances, { displacement: Math.max(0, offset - 2) });
      v.vpgatherdd(masked(half, 1), from);
      if (offset > 0) v.vpsrld(half, half, 16);
      v.vpmovdw(ymm(1), half);
      v.vstoreups(mem(r8, 64 * format.words + 32 * i), ymm(1));
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
