/**
 * The quantised product for many columns (rows of x): two groups of weights at a time, decoded once to a byte for each weight
 * where that is not how they lie, and tiles of two groups × six columns, so that what is read serves several products.
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
 * | rdx, rcx | decoded weights and x's bytes at 32 values |
 * | rbp | 8 (narrow: 4) times the number of the 32 values |
 * | rax | rounds left |
 * | vectors 0 … 11 | integer sums of the tile |
 * | 12, 13 | four values of 16 rows, of each group |
 * | 14, 15 | constants of `quantized-blocks.ts` |
 * | 16 … 27 | y of the tile, or what the current block adds |
 * | 28, 29 | scales of each group |
 * | 30, 31 | four values of a column, and between |
 */
import { activationLayout } from "./activations.ts";
import type { Assembler } from "./assembler.ts";
import {
  broadcast,
  indexed,
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
  rbp,
  rbx,
  rcx,
  rdi,
  rdx,
  rsi,
  zmm,
  type Memory,
  type Vector,
} from "./operands.ts";
import {
  BLOCK_READERS,
  EXPANDED_BYTES,
  packedBlockBytes,
  storeExpanded,
} from "./quantized-blocks.ts";
import { GROUP_ROWS, WEIGHT_FORMATS, type WeightType } from "./weight-formats.ts";
import { WIDE, widePitch } from "./wide-activations.ts";

const COLUMNS = 6;
const GROUPS = 2;
const FLOAT = 4;
const LINE = 64;
const PART = 32;
/** Bytes of a column of y in scratch. */
const Y_BYTES = GROUPS * LINE;

interface Product {
  type: WeightType;
  k: number;
  m: number;
  /** The number of columns. */
  all: Memory;
  /** Stack space of eight bytes. */
  local: Memory;
}

function isWide(type: WeightType): boolean {
  return WEIGHT_FORMATS[type].blockSize === WIDE.block;
}

/** Whether weights lie as the tile reads them. */
function isReadable(type: WeightType): boolean {
  return type === "q8_0";
}

/** Bytes of a decoded group: all of it, or (wide) a block. */
function decodedBytes(type: WeightType, k: number): number {
  return ((isWide(type) ? WIDE.block : k) / PART) * EXPANDED_BYTES;
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

interface Tile {
  groups: number;
  columns: number;
}

/** The registers of a tile, and loops over it. */
function tileOf({ groups, columns }: Tile) {
  const cells = Array.from({ length: groups * columns }, (_, i) => ({
    g: Math.floor(i / columns),
    n: i % columns,
    product: zmm(i),
    y: zmm(16 + i),
  }));
  return {
    cells,
    product: (g: number, n: number): Vector => zmm(g * columns + n),
    weights: (g: number): Vector => zmm(12 + g),
    scale: (g: number): Vector => zmm(28 + g),
  };
}

/** Adds products of vectors `from` … `from + count − 1` of each group's 32 values to the integer sums. */
function dots(
  a: Assembler,
  { groups, columns }: Tile,
  { from, count, groupBytes, pitch }: Record<"from" | "count" | "groupBytes" | "pitch", number>,
): void {
  const { product, weights } = tileOf({ groups, columns });
  for (let i = from; i < from + count; i++) {
    for (let g = 0; g < groups; g++) a.v.vmovups(weights(g), mem(rdx, g * groupBytes + LINE * i));
    for (let n = 0; n < columns; n++) {
      const values = zmm(30 + (n % 2));
      a.v.vpbroadcastd(values, mem(rcx, n * pitch + 4 * i));
      for (let g = 0; g < groups; g++) a.v.vpdpbusd(product(g, n), weights(g), values);
    }
  }
}

/** One block of 256 values: adds to y in scratch. */
function wideTile(a: Assembler, { type, k }: Product, tile: Tile): void {
  const { v } = a;
  const { groups, columns } = tile;
  const { cells, product, scale } = tileOf(tile);
  const pitch = widePitch(k);
  const groupBytes = decodedBytes(type, k);
  const isHalved = BLOCK_READERS[type].correction === "minus32";
  /** Vectors 8 and 9 of a decoded part: scale and minimum, or the scales of its halves. */
  const ofPart = (g: number, i: 8 | 9): Memory => mem(rdx, g * groupBytes + LINE * i);
  const addScaled = (i: 8 | 9): void => {
    for (let g = 0; g < groups; g++) v.vmovups(scale(g), ofPart(g, i));
    for (const cell of cells) v.vcvtdq2ps(cell.product, cell.product);
    for (const cell of cells) v.vfmadd231ps(cell.y, cell.product, scale(cell.g));
  };
  for (const { y } of cells) v.vpxord(y, y, y);
  a.mov(rdx, rdi);
  a.mov(rcx, rbx);
  a.mov(rbp, 0);
  a.mov(rax, WIDE.block / PART);
  const parts = a.here();
  for (let n = 0; n < columns; n++) a.prefetch(mem(rcx, (COLUMNS + n) * pitch));
  if (isHalved)
    for (let half = 0; half < 2; half++) {
      for (let n = 0; n < columns; n++) {
        const at = { displacement: n * pitch + WIDE.minus32 + 4 * half };
        v.vpbroadcastd(product(0, n), indexed(rbx, rbp, at));
        if (groups > 1) v.vmovups(product(1, n), product(0, n));
      }
      dots(a, tile, { from: 4 * half, count: 4, groupBytes, pitch });
      addScaled(half === 0 ? 8 : 9);
    }
  else {
    for (const cell of cells) v.vpxord(cell.product, cell.product, cell.product);
    dots(a, tile, { from: 0, count: 8, groupBytes, pitch });
    addScaled(8);
    for (let g = 0; g < groups; g++) v.vmovups(scale(g), ofPart(g, 9));
    for (const { g, n, y } of cells) {
      const sums = indexed(rbx, rbp, { displacement: n * pitch + WIDE.sums });
      v.vfnmadd231ps(y, scale(g), { ...sums, broadcast: true });
    }
  }
  a.add(rdx, EXPANDED_BYTES);
  a.add(rcx, PART);
  a.add(rbp, 8);
  a.sub(rax, 1);
  a.jumpIf("notEqual", parts);
  for (const { g, n, y } of cells) {
    const sum = mem(rsi, n * Y_BYTES + LINE * g);
    const spare = zmm(30 + (n % 2));
    v.vmovups(spare, sum);
    v.vfmadd231ps(spare, y, broadcast(rbx, n * pitch + WIDE.scale));
    v.vstoreups(sum, spare);
  }
}

/** All blocks of 32 values. */
function narrowTile(a: Assembler, { type, k, m }: Product, tile: Tile): void {
  const { v } = a;
  const { groups, columns } = tile;
  const { cells, product, scale } = tileOf(tile);
  const layout = activationLayout(k);
  const { pitch } = layout;
  const isAsPacked = isReadable(type);
  const blockBytes = isAsPacked ? packedBlockBytes(type) : EXPANDED_BYTES;
  const groupBytes = (k / PART) * blockBytes;
  const offset = BLOCK_READERS[type].correction === "minus8" ? layout.minus8 : layout.minus128;
  const ofBlock = (n: number, at: number): Memory =>
    indexed(rbx, rbp, { displacement: n * pitch + at });
  for (const { y } of cells) v.vpxord(y, y, y);
  a.mov(rdx, isAsPacked ? r14 : rdi);
  a.mov(rcx, rbx);
  a.mov(rbp, 0);
  a.mov(rax, k / PART);
  const blocks = a.here();
  for (let n = 0; n < columns; n++) {
    v.vpbroadcastd(product(0, n), ofBlock(n, offset));
    if (groups > 1) v.vmovups(product(1, n), product(0, n));
  }
  dots(a, tile, { from: 0, count: 8, groupBytes, pitch });
  for (let g = 0; g < groups; g++) {
    const from = mem(rdx, g * groupBytes + LINE * 8);
    if (isAsPacked) v.vcvtph2ps(scale(g), from);
    else v.vmovups(scale(g), from);
  }
  for (const cell of cells) v.vcvtdq2ps(cell.product, cell.product);
  for (const cell of cells) v.vmulps(cell.product, cell.product, scale(cell.g));
  for (const { n, y, product } of cells)
    v.vfmadd231ps(y, product, { ...ofBlock(n, layout.scales), broadcast: true });
  a.add(rdx, blockBytes);
  a.add(rcx, PART);
  a.add(rbp, 4);
  a.sub(rax, 1);
  a.jumpIf("notEqual", blocks);
  for (const { g, n, y } of cells) v.vstoreups(mem(rsi, n * m * FLOAT + LINE * g), y);
}
