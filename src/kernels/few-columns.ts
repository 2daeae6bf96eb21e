/**
 * Tiles of the quantised product for few columns (rows of x): weights are decoded in registers and meet all columns of the tile.
 * One column is the decoding of one token, which runs at the speed of memory.
 *
 * | register | holds |
 * |---|---|
 * | rbx, rsi | x and y at the tile's first column |
 * | rdx | w at the block |
 * | rcx | x's bytes at the block |
 * | rbp | 4 times the number of the block (narrow activations) |
 * | rax | blocks left |
 * | vectors 0 … 9, 12 … 15 | weights (`quantized-blocks.ts`) |
 * | 10, 11 | integer sums of a column |
 * | 16 … 31 | y of 16 columns: all of it, or (wide activations) what the current block adds |
 */
import { activationLayout } from "./activations.ts";
import type { Assembler } from "./assembler.ts";
import {
  broadcast,
  indexed,
  mem,
  rax,
  rbp,
  rbx,
  rcx,
  rdx,
  rsi,
  rsp,
  zmm,
  type Memory,
} from "./operands.ts";
import { BLOCK_READERS, packedBlockBytes, READER_LOCAL_BYTES } from "./quantized-blocks.ts";
import { WEIGHT_FORMATS, type WeightType } from "./weight-formats.ts";
import { WIDE, widePitch } from "./wide-activations.ts";

/** Columns that are multiplied together. */
export const TILES = [16, 8, 4, 2, 1] as const;
const FLOAT = 4;
const LINE = 64;
/** Where y of a tile lies on the stack. */
const Y = Math.ceil(READER_LOCAL_BYTES / LINE) * LINE;
export const FEW_LOCAL_BYTES = Y + TILES[0] * LINE;

/**
 * How far ahead of the block lines are fetched into a cache. Few columns leave the memory no time to be waited for, so lines come
 * straight into the first cache; many, and q6_k, whose blocks are read from three places at once, go by the second one,
 * which has room for more lines on their way.
 */
const FETCH_STRAIGHT = [{ cache: 1, aheadBytes: 4096 }] as const;
const FETCH_BY_SECOND = [
  { cache: 1, aheadBytes: 2048 },
  { cache: 2, aheadBytes: 8192 },
] as const;

export interface FewColumns {
  type: WeightType;
  k: number;
  m: number;
  columns: number;
}

/** One tile, from the weights at rdx. */
export function multiplyFew(a: Assembler, tile: FewColumns): void {
  const { type, k, m, columns } = tile;
  const { v } = a;
  const isWide = WEIGHT_FORMATS[type].blockSize === WIDE.block;
  const sum = (n: number) => zmm(16 + n);
  const clear = (): void => {
    for (let n = 0; n < columns; n++) v.vpxord(sum(n), sum(n), sum(n));
  };
  clear();
  if (isWide) for (let n = 0; n < columns; n++) v.vstoreups(mem(rsp, Y + LINE * n), sum(n));
  a.mov(rcx, rbx);
  if (!isWide) a.mov(rbp, 0);
  a.mov(rax, k / WEIGHT_FORMATS[type].blockSize);
  const loop = a.here();
  if (isWide) wideBlock(a, tile, clear);
  else narrowBlock(a, tile);
  a.add(rdx, packedBlockBytes(type));
  a.sub(rax, 1);
  a.jumpIf("notEqual", loop);
  for (let n = 0; n < columns; n++) {
    if (isWide) v.vmovups(sum(n), mem(rsp, Y + LINE * n));
    v.vstoreups(mem(rsi, n * m * FLOAT), sum(n));
  }
}

/** Fetches lines ahead of part `part` of `parts` of a block. */
function fetchAhead(
  a: Assembler,
  { type, columns }: FewColumns,
  { part, parts }: { part: number; parts: number },
): void {
  const ahead = columns > 2 || type === "q6_k" ? FETCH_BY_SECOND : FETCH_STRAIGHT;
  const lines = packedBlockBytes(type) / LINE / parts;
  for (let line = Math.ceil(part * lines); line < (part + 1) * lines; line++)
    for (const { cache, aheadBytes } of ahead)
      a.prefetch(mem(rdx, aheadBytes + LINE * line), cache);
}

/** A block of 32 values: its scale and that of the activations. */
function narrowBlock(a: Assembler, tile: FewColumns): void {
  const { v } = a;
  const { type, k, columns } = tile;
  const reader = BLOCK_READERS[type];
  const layout = activationLayout(k);
  const [scale, product] = [zmm(8), zmm(10)];
  const offset = reader.correction === "minus8" ? layout.minus8 : layout.minus128;
  reader.begin(a);
  fetchAhead(a, tile, { part: 0, parts: 1 });
  reader.load(a, 0);
  for (let n = 0; n < columns; n++) {
    const ofBlock = (at: number): Memory =>
      indexed(rbx, rbp, { displacement: n * layout.pitch + at });
    v.vpbroadcastd(product, ofBlock(offset));
    for (let i = 0; i < 8; i++)
      v.vpdpbusd(product, zmm(i), broadcast(rcx, n * layout.pitch + 4 * i));
    v.vcvtdq2ps(product, product);
    v.vmulps(product, product, scale);
    v.vfmadd231ps(zmm(16 + n), product, { ...ofBlock(layout.scales), broadcast: true });
  }
  a.add(rcx, 32);
  a.add(rbp, 4);
}

/** A block of 256 values: eight or sixteen scales of the weights, one of the activations. */
function wideBlock(a: Assembler, tile: FewColumns, clear: () => void): void {
  const { v } = a;
  const { type, k, columns } = tile;
  const reader = BLOCK_READERS[type];
  const pitch = widePitch(k);
  const [scale, second] = [zmm(8), zmm(9)];
  const [first, other] = [zmm(10), zmm(11)];
  const sum = (n: number) => zmm(16 + n);
  clear();
  reader.begin(a);
  for (let part = 0; part < reader.parts; part++) {
    fetchAhead(a, tile, { part, parts: reader.parts });
    reader.load(a, part);
    for (let n = 0; n < columns; n++) {
      const dot = (to: typeof first, from: number, count: number): void => {
        for (let i = from; i < from + count; i++)
          v.vpdpbusd(to, zmm(i), broadcast(rcx, n * pitch + 32 * part + 4 * i));
      };
      if (reader.correction === "minus32") {
        const ofHalf = (half: number): Memory =>
          mem(rcx, n * pitch + WIDE.minus32 + 8 * part + 4 * half);
        v.vpbroadcastd(first, ofHalf(0));
        v.vpbroadcastd(other, ofHalf(1));
        dot(first, 0, 4);
        dot(other, 4, 4);
        v.vcvtdq2ps(first, first);
        v.vcvtdq2ps(other, other);
        v.vfmadd231ps(sum(n), first, scale);
        v.vfmadd231ps(sum(n), other, second);
      } else {
        v.vpxord(first, first, first);
        dot(first, 0, 8);
        v.vcvtdq2ps(first, first);
        v.vfmadd231ps(sum(n), first, scale);
        v.vfnmadd231ps(sum(n), second, broadcast(rcx, n * pitch + WIDE.sums + 8 * part));
      }
    }
  }
  for (let n = 0; n < columns; n++) {
    const y = mem(rsp, Y + LINE * n);
    v.vmovups(first, y);
    v.vfmadd231ps(first, sum(n), broadcast(rcx, n * pitch + WIDE.scale));
    v.vstoreups(y, first);
  }
  a.add(rcx, WIDE.bytes);
}
