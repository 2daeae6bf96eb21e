/**
 * Tiles of the quantised product for many columns: two groups of 16 rows of w × six columns, in registers. What is read serves
 * several products. Registers are those of `many-columns.ts`.
 *
 * | register | holds |
 * |---|---|
 * | rbx, rsi | x and y at the tile's first column |
 * | rdx, rcx | weights and x's bytes at 32 values |
 * | rbp | 8 (narrow: 4) times the number of the 32 values |
 * | rax | rounds left |
 * | vectors 0 … 11 | integer sums of the tile |
 * | 12, 13 | four values of 16 rows, of each group |
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
  r14,
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
import { BLOCK_READERS, EXPANDED_BYTES, packedBlockBytes } from "./quantized-blocks.ts";
import { WEIGHT_FORMATS, type WeightType } from "./weight-formats.ts";
import { WIDE, widePitch } from "./wide-activations.ts";

/** Columns of a whole tile, and groups of 16 rows of w. */
export const COLUMNS = 6;
export const GROUPS = 2;
const FLOAT = 4;
const LINE = 64;
/** Values of K between two conversions to floats. */
export const PART = 32;
/** Bytes of a column of y in scratch. */
export const Y_BYTES = GROUPS * LINE;

/** Whether weights are in blocks of 256. */
export function isWide(type: WeightType): boolean {
  return WEIGHT_FORMATS[type].blockSize === WIDE.block;
}

/** Whether weights lie as the tile reads them. */
export function isReadable(type: WeightType): boolean {
  return type === "q8_0";
}

/** Bytes of a decoded group: all of it, or (wide) a block. */
export function decodedBytes(type: WeightType, k: number): number {
  return ((isWide(type) ? WIDE.block : k) / PART) * EXPANDED_BYTES;
}

interface Weights {
  type: WeightType;
  k: number;
  m: number;
}

/** A tile: groups of 16 rows of w, and columns (rows of x). */
export interface Tile {
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
export function wideTile(a: Assembler, { type, k }: Weights, tile: Tile): void {
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
export function narrowTile(a: Assembler, { type, k, m }: Weights, tile: Tile): void {
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
