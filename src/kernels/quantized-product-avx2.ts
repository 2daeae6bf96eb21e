/**
 * `quantized-product.ts` for AVX2, which multiplies bytes in pairs into 16 bits (vpmaddubsw) and adds these in pairs (vpmaddwd).
 * Its first operand is unsigned: 4-, 5- and 6-bit values are, and so small that 16 bits hold the sum of several products; signed
 * bytes give their sign to the activation.
 *
 *   y(n, m) = Σ_blocks s_x(n) · s_w(m) · (Σₖ u(m, k) · q(n, k) − offset · Σₖ q(n, k)), or with minima, as there
 *
 * A thread takes neighbouring groups of 16 rows of w, eight rows at a time. One and two columns (rows of x) decode the weights
 * as they meet them, at the speed of memory. Where there are more, the eight rows are decoded once into memory of the thread's own, a byte
 * for each weight, and meet four columns at a time. The order of a sum depends on K alone.
 *
 * Inputs of the operation: w, x and, from `DECODED_ROWS` rows of x on, scratch of `decodedBytes` for each thread.
 *
 * | register | holds |
 * |---|---|
 * | r8, r9, r10 | w, x, y |
 * | r11, r12 | the next group and one more than the last of this thread |
 * | r13 | columns left |
 * | r14 | the group's w |
 * | rbx, rsi | x and y at the tile's first column |
 * | rdx | w at the block |
 * | rcx, rbp | x's bytes at the block, and 4 times the number of the block |
 * | rax | blocks left |
 * | rdi | this thread's decoded rows |
 * | vectors 0 … 3 | y of four columns, or of two columns and both halves |
 * | 4 … 7 | sums of products in 16 bits |
 * | 8 … 11 | sums in 32 bits, then floats |
 * | 12, 13, 14 | a word of weights, a word of activations, magnitudes of weights |
 * | 15 | 1 in every 16 bits |
 */
import { activationLayout } from "./activations.ts";
import { Assembler } from "./assembler.ts";
import { ARGUMENTS, kernelFunction, loadInput, loadOutput, TENSOR_OFFSET } from "./frame.ts";
import {
  indexed,
  mem,
  r10,
  r11,
  r12,
  r13,
  r14,
  r8,
  r9,
  rax,
  rbp,
  rbx,
  rcx,
  rdi,
  rdx,
  rsi,
  rsp,
  ymm,
  type Memory,
  type Vector,
} from "./operands.ts";
import { packedBlockBytes } from "./quantized-blocks.ts";
import {
  scaleAt,
  stackVector,
  WORD_READERS,
  WORDS_LOCAL_BYTES,
  type Half,
  type WordReader,
} from "./quantized-words.ts";
import { GROUP_ROWS, WEIGHT_FORMATS, type WeightType } from "./weight-formats.ts";
import { shareGroups } from "./work.ts";

const FLOAT = 4;
const LINE = 64;
const VECTOR_BYTES = 32;
const BLOCK = 32;
/** How far ahead of the block lines are fetched. */
const PREFETCH_BYTES = 4096;
/** Columns that meet decoded rows together. */
const TILES = [4, 2, 1] as const;

/** Rows of x from which on weights are decoded once. */
export const DECODED_ROWS = 3;
/** Eight words, then scale and minimum, or both scales. */
const DECODED_BYTES = 10 * VECTOR_BYTES;

/** Scratch of each thread. */
export function decodedBytes(k: number): number {
  return (k / BLOCK) * DECODED_BYTES;
}

interface Sizes {
  k: number;
  m: number;
}

export function assembleQuantizedProductAvx2(
  type: WeightType,
  [m, k]: readonly [number, number],
): Uint8Array {
  const a = new Assembler();
  const reader = WORD_READERS[type];
  const groupBytes = (k / WEIGHT_FORMATS[type].blockSize) * packedBlockBytes(type);
  const allColumns = mem(rsp, WORDS_LOCAL_BYTES);
  kernelFunction(a, { localBytes: WORDS_LOCAL_BYTES + 8 }, () => {
    shareGroups(a, m / GROUP_ROWS, { first: r11, end: r12 });
    loadInput(a, r8, 0);
    loadInput(a, r9, 1);
    loadOutput(a, r10);
    a.mov(rcx, mem(ARGUMENTS.out, TENSOR_OFFSET.ne + 8));
    a.store(allColumns, rcx);
    const alone = a.label();
    a.cmp(rcx, DECODED_ROWS);
    a.jumpIf("below", alone);
    a.imul(rbx, ARGUMENTS.thread, decodedBytes(k));
    loadInput(a, rcx, 2);
    a.add(rbx, rcx);
    a.bind(alone);
    a.mov(rdi, rbx);
    stackVector(a, 0, [0x00010001]);
    a.v.vmovups(ymm(15), mem(rsp));
    reader.prepare(a);
    const end = a.label();
    const groups = a.here();
    a.cmp(r11, r12);
    a.jumpIf("aboveOrEqual", end);
    a.imul(r14, r11, groupBytes);
    a.add(r14, r8);
    const [few, next] = [a.label(), a.label()];
    a.mov(r13, allColumns);
    a.cmp(r13, DECODED_ROWS);
    a.jumpIf("below", few);
    for (const half of [0, 1] as const) {
      decodeRows(a, type, { k, half });
      startColumns(a, half);
      a.mov(r13, allColumns);
      for (const columns of TILES) multiplyTiles(a, reader, { k, m }, columns);
    }
    a.jump(next);
    a.bind(few);
    startColumns(a, 0);
    for (const columns of [2, 1]) {
      const other = a.label();
      a.cmp(r13, columns);
      a.jumpIf("notEqual", other);
      multiplyPacked(a, type, { k, m }, columns);
      a.bind(other);
    }
    a.bind(next);
    a.add(r11, 1);
    a.jump(groups);
    a.bind(end);
  });
  return a.finish();
}

/** x and y at the first column. */
function startColumns(a: Assembler, half: Half): void {
  a.mov(rbx, r9);
  a.imul(rsi, r11, GROUP_ROWS * FLOAT);
  a.add(rsi, r10);
  if (half === 1) a.add(rsi, VECTOR_BYTES);
}

/** Half of a group as bytes and scales, to rdi. */
function decodeRows(a: Assembler, type: WeightType, { k, half }: { k: number; half: Half }): void {
  const reader = WORD_READERS[type];
  const [word, other] = [ymm(12), ymm(13)];
  a.mov(rdx, r14);
  a.mov(rcx, rdi);
  a.mov(rax, k / WEIGHT_FORMATS[type].blockSize);
  const blocks = a.here();
  reader.begin(a, half);
  for (let part = 0; part < reader.parts; part++) {
    for (let i = 0; i < 8; i++) {
      reader.word(a, { part, i, half }, word);
      a.v.vstoreups(mem(rcx, VECTOR_BYTES * i), word);
    }
    scalesOf(reader, part).forEach((scale, i) => {
      a.v.vmovups(other, scale);
      a.v.vstoreups(mem(rcx, VECTOR_BYTES * (8 + i)), other);
    });
    a.add(rcx, DECODED_BYTES);
  }
  a.add(rdx, packedBlockBytes(type));
  a.sub(rax, 1);
  a.jumpIf("notEqual", blocks);
}

/** Scale and minimum, or both scales, of a part. */
function scalesOf({ correction }: WordReader, part: number): Memory[] {
  if (correction === "minimum") return [scaleAt(part), scaleAt(8 + part)];
  return correction === "minus32" ? [scaleAt(2 * part), scaleAt(2 * part + 1)] : [scaleAt(0)];
}

/** As many tiles of decoded rows as there are columns for. */
function multiplyTiles(a: Assembler, reader: WordReader, { k, m }: Sizes, columns: number): void {
  const end = a.label();
  const again = a.here();
  a.cmp(r13, columns);
  a.jumpIf("below", end);
  a.mov(rdx, rdi);
  multiplyBlocks(a, { k, columns, halves: [0], blocks: k / BLOCK, parts: 1 }, (half, column) => {
    multiplyPart(a, reader, {
      ...{ k, part: 0, columns, sum: (n) => column(n), half },
      word: (i, to) => {
        a.v.vmovups(to, mem(rdx, VECTOR_BYTES * i));
      },
      scales: [mem(rdx, VECTOR_BYTES * 8), mem(rdx, VECTOR_BYTES * 9)],
    });
    a.add(rdx, DECODED_BYTES);
  });
  for (let n = 0; n < columns; n++) a.v.vstoreups(mem(rsi, n * m * FLOAT), ymm(n));
  a.add(rbx, columns * activationLayout(k).pitch);
  a.add(rsi, columns * m * FLOAT);
  a.sub(r13, columns);
  if (columns === TILES[0]) a.jump(again);
  a.bind(end);
}

/** All columns, of which there are one or two, from the packed weights. */
function multiplyPacked(a: Assembler, type: WeightType, { k, m }: Sizes, columns: number): void {
  const reader = WORD_READERS[type];
  const { parts } = reader;
  const bytes = packedBlockBytes(type);
  const lines = bytes / LINE / (2 * parts);
  a.mov(rdx, r14);
  const blocks = k / WEIGHT_FORMATS[type].blockSize;
  multiplyBlocks(a, { k, columns, halves: [0, 1], blocks, parts }, (half, column) => {
    reader.begin(a, half);
    for (let part = 0; part < parts; part++) {
      const step = half * parts + part;
      for (let line = Math.ceil(step * lines); line < (step + 1) * lines; line++)
        a.prefetch(mem(rdx, PREFETCH_BYTES + LINE * line));
      multiplyPart(a, reader, {
        ...{ k, part, columns, sum: column, half },
        word: (i, to) => {
          reader.word(a, { part, i, half }, to);
        },
        scales: scalesOf(reader, part),
      });
    }
    if (half === 1) a.add(rdx, bytes);
  });
  for (let n = 0; n < columns; n++)
    for (const half of [0, 1])
      a.v.vstoreups(mem(rsi, n * m * FLOAT + VECTOR_BYTES * half), ymm(2 * n + half));
}

/** The loop over blocks of one tile: clears the sums, and runs `block` for each half of each block. */
function multiplyBlocks(
  a: Assembler,
  tile: { k: number; columns: number; halves: readonly Half[]; blocks: number; parts: number },
  block: (half: Half, sum: (n: number) => Vector) => void,
): void {
  const { columns, halves, blocks, parts } = tile;
  const sum = (half: Half) => (n: number) => ymm(halves.length * n + half);
  for (let i = 0; i < columns * halves.length; i++) a.v.vxorps(ymm(i), ymm(i), ymm(i));
  a.mov(rcx, rbx);
  a.mov(rbp, 0);
  a.mov(rax, blocks);
  const loop = a.here();
  for (const half of halves) block(half, sum(half));
  a.add(rcx, BLOCK * parts);
  a.add(rbp, FLOAT * parts);
  a.sub(rax, 1);
  a.jumpIf("notEqual", loop);
}

interface Part {
  k: number;
  part: number;
  columns: number;
  sum: (n: number) => Vector;
  word: (i: number, to: Vector) => void;
  scales: readonly Memory[];
  half: Half;
}

/** 32 values of eight rows times those of each column. */
function multiplyPart(a: Assembler, reader: WordReader, tile: Part): void {
  const { v } = a;
  const { k, part, columns, sum, scales } = tile;
  const layout = activationLayout(k);
  const x = ymm(13);
  const total = (n: number): Vector => ymm(8 + n);
  const scaled = reader.correction === "minus32" ? 4 : 8;
  for (let first = 0; first < 8; first += scaled) {
    addProducts(a, reader, tile, { first, count: scaled });
    const [scale, minimum] = first === 0 ? scales : scales.slice(1);
    for (let n = 0; n < columns; n++) {
      const ofBlock = (offset: number): Memory =>
        indexed(rbx, rbp, { displacement: n * layout.pitch + offset + 4 * part });
      if (reader.correction === "minus8") {
        v.vpbroadcastd(x, ofBlock(layout.minus8));
        v.vpaddd(total(n), total(n), x);
      } else if (reader.correction === "minus32") {
        const displacement = n * layout.pitch + layout.minus32 + 8 * part + first;
        v.vpbroadcastd(x, indexed(rbx, rbp, { scale: 2, displacement }));
        v.vpaddd(total(n), total(n), x);
      }
      v.vcvtdq2ps(total(n), total(n));
      v.vmulps(total(n), total(n), scale as Memory);
      if (reader.correction === "minimum") {
        v.vbroadcastss(x, ofBlock(layout.sums));
        v.vfnmadd231ps(sum(n), x, minimum as Memory);
      }
      v.vbroadcastss(x, ofBlock(layout.scales));
      v.vfmadd231ps(sum(n), total(n), x);
    }
  }
}

/** Σ u·q of some words in 32 bits, in vectors from 8 on. */
function addProducts(
  { v }: Assembler,
  reader: WordReader,
  { k, part, columns, word }: Part,
  { first, count }: { first: number; count: number },
): void {
  const { pitch } = activationLayout(k);
  const [weights, magnitudes, ones] = [ymm(12), ymm(14), ymm(15)];
  for (let i = first; i < first + count; i++) {
    word(i, weights);
    if (reader.signed) v.vpabsb(magnitudes, weights);
    const place = i % reader.words;
    for (let n = 0; n < columns; n++) {
      const [pairs, total] = [ymm(4 + n), ymm(8 + n)];
      const x = place === 0 ? pairs : ymm(13);
      v.vpbroadcastd(x, mem(rcx, n * pitch + BLOCK * part + 4 * i));
      if (reader.signed) v.vpsignb(x, x, weights);
      v.vpmaddubsw(x, reader.signed ? magnitudes : weights, x);
      if (place > 0) v.vpaddw(pairs, pairs, x);
      if (place < reader.words - 1) continue;
      if (i - first === reader.words - 1) v.vpmaddwd(total, pairs, ones);
      else {
        v.vpmaddwd(pairs, pairs, ones);
        v.vpaddd(total, total, pairs);
      }
    }
  }
}
