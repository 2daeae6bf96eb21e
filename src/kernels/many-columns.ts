/**
 * The quantised product for many columns (rows of x): two groups of weights at a time, decoded once to a byte for each weight
 * where that is not how they lie, and tiles of two groups × six columns (`many-tiles.ts`).
 *
 * Weights in blocks of 256 are decoded a block at a time and meet all columns from the first cache; y is summed in memory of the
 * thread's own. Those in blocks of 32 are read, or decoded, as a whole group, and a tile goes along all of K.
 *
 * | register | holds |
 * |---|---|
 * | r8, r9, r10 | w, x, y |
 * | r11, r12 | the next group and one more than the last of this thread |
 * | r13 | columns left |
 * | r14, r15 | the groups' w, and x, at the block |
 * | rdi | this thread's scratch: decoded weights, then y |
 * | rbx, rsi | x and y at the tile's first column |
 * | vectors 14, 15 | constants of `quantized-blocks.ts` |
 * | the others | `quantized-blocks.ts` while weights are decoded, `many-tiles.ts` |
 */
import { activationLayout } from "./activations.ts";
import type { Assembler } from "./assembler.ts";
import {
  COLUMNS,
  decodedBytes,
  GROUPS,
  isReadable,
  isWide,
  narrowTile,
  PART,
  wideTile,
  Y_BYTES,
} from "./many-tiles.ts";
import {
  mem,
  r10,
  r11,
  r12,
  r13,
  r14,
  r15,
  r8,
  r9,
  rax,
  rbx,
  rcx,
  rdi,
  rdx,
  rsi,
  zmm,
  type Memory,
} from "./operands.ts";
import {
  BLOCK_READERS,
  EXPANDED_BYTES,
  packedBlockBytes,
  storeExpanded,
} from "./quantized-blocks.ts";
import { GROUP_ROWS, WEIGHT_FORMATS, type WeightType } from "./weight-formats.ts";
import { WIDE, widePitch } from "./wide-activations.ts";

const FLOAT = 4;
const LINE = 64;

interface Product {
  type: WeightType;
  k: number;
  m: number;
  /** The number of columns. */
  all: Memory;
  /** Stack space of eight bytes. */
  local: Memory;
}

/** Scratch of each thread. */
export function manyColumnsBytes(type: WeightType, k: number, rows: number): number {
  if (isReadable(type)) return 0;
  return GROUPS * decodedBytes(type, k) + (isWide(type) ? rows * Y_BYTES : 0);
}

/** All groups of this thread, from r11 to r12. */
export function multiplyMany(a: Assembler, product: Product): void {
  const [single, end] = [a.label(), a.label()];
  const pairs = a.here();
  a.mov(rax, r12);
  a.sub(rax, r11);
  a.cmp(rax, GROUPS);
  a.jumpIf("below", single);
  multiplyGroups(a, product, GROUPS);
  a.add(r11, GROUPS);
  a.jump(pairs);
  a.bind(single);
  a.cmp(rax, 1);
  a.jumpIf("below", end);
  multiplyGroups(a, product, 1);
  a.bind(end);
}

function multiplyGroups(a: Assembler, product: Product, groups: number): void {
  const { type, k } = product;
  a.imul(r14, r11, (k / WEIGHT_FORMATS[type].blockSize) * packedBlockBytes(type));
  a.add(r14, r8);
  if (isWide(type)) wideGroups(a, product, groups);
  else narrowGroups(a, product, groups);
}

/** Decodes `blocks` blocks of each group from r14 on; where they are not the last, what follows is fetched. */
function decode(a: Assembler, { type, k }: Product, groups: number, blocks: number): void {
  const reader = BLOCK_READERS[type];
  const blockBytes = packedBlockBytes(type);
  for (let g = 0; g < groups; g++) {
    a.lea(rdx, mem(r14, g * (k / WEIGHT_FORMATS[type].blockSize) * blockBytes));
    a.lea(rcx, mem(rdi, g * decodedBytes(type, k)));
    a.mov(rax, blocks);
    const loop = a.here();
    for (let at = 0; at < blockBytes; at += LINE) a.prefetch(mem(rdx, blockBytes + at), 2);
    reader.begin(a);
    for (let part = 0; part < reader.parts; part++) {
      reader.load(a, part);
      storeExpanded(a, rcx);
      a.add(rcx, EXPANDED_BYTES);
    }
    a.add(rdx, blockBytes);
    a.sub(rax, 1);
    a.jumpIf("notEqual", loop);
  }
}

/** Runs `tile` over all columns: as many at a time as fit, then what is left. */
function eachTile(
  a: Assembler,
  { all }: Product,
  { xBytes, yBytes }: { xBytes: number; yBytes: number },
  tile: (columns: number) => void,
): void {
  const [rest, end] = [a.label(), a.label()];
  a.mov(r13, all);
  const tiles = a.here();
  a.cmp(r13, COLUMNS);
  a.jumpIf("below", rest);
  tile(COLUMNS);
  a.add(rbx, COLUMNS * xBytes);
  a.add(rsi, COLUMNS * yBytes);
  a.sub(r13, COLUMNS);
  a.jump(tiles);
  a.bind(rest);
  for (let columns = 1; columns < COLUMNS; columns++) {
    const next = a.label();
    a.cmp(r13, columns);
    a.jumpIf("notEqual", next);
    tile(columns);
    a.jump(end);
    a.bind(next);
  }
  a.bind(end);
}

/** Runs `body` for each column of y in scratch (rsi) and in the result (rcx). */
function eachColumn(a: Assembler, { type, k, m, all }: Product, body: () => void): void {
  a.lea(rsi, mem(rdi, GROUPS * decodedBytes(type, k)));
  a.imul(rcx, r11, GROUP_ROWS * FLOAT);
  a.add(rcx, r10);
  a.mov(rax, all);
  const columns = a.here();
  body();
  a.add(rsi, Y_BYTES);
  a.add(rcx, m * FLOAT);
  a.sub(rax, 1);
  a.jumpIf("notEqual", columns);
}

function wideGroups(a: Assembler, product: Product, groups: number): void {
  const { v } = a;
  const { type, k, local } = product;
  const each = (visit: (g: number) => void): void => {
    for (let g = 0; g < groups; g++) visit(g);
  };
  v.vpxord(zmm(0), zmm(0), zmm(0));
  eachColumn(a, product, () => {
    each((g) => {
      v.vstoreups(mem(rsi, LINE * g), zmm(0));
    });
  });
  a.mov(r15, r9);
  a.mov(rax, k / WIDE.block);
  const blocks = a.here();
  a.store(local, rax);
  decode(a, product, groups, 1);
  a.mov(rbx, r15);
  a.lea(rsi, mem(rdi, GROUPS * decodedBytes(type, k)));
  eachTile(a, product, { xBytes: widePitch(k), yBytes: Y_BYTES }, (columns) => {
    wideTile(a, product, { groups, columns });
  });
  a.add(r14, packedBlockBytes(type));
  a.add(r15, WIDE.bytes);
  a.mov(rax, local);
  a.sub(rax, 1);
  a.jumpIf("notEqual", blocks);
  eachColumn(a, product, () => {
    each((g) => {
      v.vmovups(zmm(g), mem(rsi, LINE * g));
      v.vstoreups(mem(rcx, LINE * g), zmm(g));
    });
  });
}

function narrowGroups(a: Assembler, product: Product, groups: number): void {
  const { type, k, m } = product;
  if (!isReadable(type)) decode(a, product, groups, k / PART);
  a.mov(rbx, r9);
  a.imul(rsi, r11, GROUP_ROWS * FLOAT);
  a.add(rsi, r10);
  const steps = { xBytes: activationLayout(k).pitch, yBytes: m * FLOAT };
  eachTile(a, product, steps, (columns) => {
    narrowTile(a, product, { groups, columns });
  });
}
