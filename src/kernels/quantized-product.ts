/**
 * The product of activations with quantised weights, y = x · wᵀ: x as signed bytes (`activations.ts`), w packed with 16 rows
 * interleaved (`weight-formats.ts`), sums of products in 32-bit integers (VNNI) within a block of 32, in floats beyond.
 *
 *   y(n, m) = Σ_blocks s_x(n) · s_w(m) · (Σₖ u(m, k) · q(n, k) − offset · Σₖ q(n, k))          or, with minima,
 *   y(n, m) = Σ_blocks s_x(n) · s_w(m) · Σₖ u(m, k) · q(n, k) − minimum(m) · s_x(n) · Σₖ q(n, k)
 *
 * A thread takes neighbouring groups of 16 rows of w. It goes through a group once for each 16 columns (rows of x) and then for
 * 8, 4, 2, 1 of what is left: from memory the first time, from the cache after. A block's weights are decoded in registers and
 * meet all columns of the tile. Where two tiles or more come, a group is decoded once, to a byte for each weight, into memory of
 * the thread's own. One column is the decoding of one token, which runs at the speed of memory. The order of a sum
 * depends on K alone.
 *
 * Inputs of the operation: w, x and, from `EXPANDED_ROWS` rows of x on, scratch of `expandedBytes` for each thread.
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
 * | rdi | this thread's decoded group |
 * | vectors 0 … 9, 12 … 15 | weights (`quantized-blocks.ts`) |
 * | 10, 11 | integer sums of a column |
 * | 16 … 31 | y of 16 columns |
 */
import { activationLayout } from "./activations.ts";
import { Assembler } from "./assembler.ts";
import { ARGUMENTS, kernelFunction, loadInput, loadOutput, TENSOR_OFFSET } from "./frame.ts";
import {
  broadcast,
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
  zmm,
  type Memory,
} from "./operands.ts";
import {
  BLOCK_READERS,
  EXPANDED_BYTES,
  expandedReader,
  packedBlockBytes,
  READER_LOCAL_BYTES,
  storeExpanded,
  type BlockReader,
} from "./quantized-blocks.ts";
import { GROUP_ROWS, WEIGHT_FORMATS, type WeightType } from "./weight-formats.ts";
import { shareGroups } from "./work.ts";

/** Columns that are multiplied together. */
const TILES = [16, 8, 4, 2, 1] as const;
const FLOAT = 4;
const LINE = 64;

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

/** Rows of x from which on groups are decoded once. */
export const EXPANDED_ROWS = 32;

/** Scratch of each thread. */
export function expandedBytes(k: number): number {
  return (k / 32) * EXPANDED_BYTES;
}

/** Types whose decoding takes more than reading them decoded. */
function isExpanded(type: WeightType): boolean {
  return type !== "q8_0";
}

export function assembleQuantizedProduct(
  type: WeightType,
  [m, k]: readonly [number, number],
): Uint8Array {
  const a = new Assembler();
  const reader = BLOCK_READERS[type];
  const groupBytes = (k / WEIGHT_FORMATS[type].blockSize) * packedBlockBytes(type);
  const allColumns = mem(rsp, READER_LOCAL_BYTES);
  kernelFunction(a, { localBytes: READER_LOCAL_BYTES + 8 }, () => {
    shareGroups(a, m / GROUP_ROWS, { first: r11, end: r12 });
    loadInput(a, r8, 0);
    loadInput(a, r9, 1);
    loadOutput(a, r10);
    a.mov(rcx, mem(ARGUMENTS.out, TENSOR_OFFSET.ne + 8));
    a.store(allColumns, rcx);
    if (isExpanded(type)) {
      const few = a.label();
      a.cmp(rcx, EXPANDED_ROWS);
      a.jumpIf("below", few);
      a.imul(rbx, ARGUMENTS.thread, expandedBytes(k));
      loadInput(a, rcx, 2);
      a.add(rbx, rcx);
      a.bind(few);
      a.mov(rdi, rbx);
    }
    reader.prepare(a);
    const end = a.label();
    const groups = a.here();
    a.cmp(r11, r12);
    a.jumpIf("aboveOrEqual", end);
    a.mov(r13, allColumns);
    a.imul(r14, r11, groupBytes);
    a.add(r14, r8);
    a.mov(rbx, r9);
    a.imul(rsi, r11, GROUP_ROWS * FLOAT);
    a.add(rsi, r10);
    if (isExpanded(type)) multiplyExpanded(a, type, { k, m });
    for (const columns of TILES) {
      const next = a.label();
      const again = a.here();
      a.cmp(r13, columns);
      a.jumpIf("below", next);
      a.mov(rdx, r14);
      multiplyBlocks(a, packedTile(type, { k, m, columns }));
      nextTile(a, { k, m, columns });
      if (columns === TILES[0]) a.jump(again);
      a.bind(next);
    }
    a.add(r11, 1);
    a.jump(groups);
    a.bind(end);
  });
  return a.finish();
}

interface Tile {
  k: number;
  m: number;
  columns: number;
  reader: BlockReader;
  /** Bytes and number of the blocks, and what is fetched ahead of them. */
  blockBytes: number;
  blocks: number;
  ahead: typeof FETCH_STRAIGHT | typeof FETCH_BY_SECOND | readonly [];
}

function packedTile(type: WeightType, sizes: { k: number; m: number; columns: number }): Tile {
  return {
    ...sizes,
    reader: BLOCK_READERS[type],
    blockBytes: packedBlockBytes(type),
    blocks: sizes.k / WEIGHT_FORMATS[type].blockSize,
    ahead: sizes.columns > 2 || type === "q6_k" ? FETCH_BY_SECOND : FETCH_STRAIGHT,
  };
}

/** Decodes a group and multiplies it with whole tiles, where there are two or more; leaves the rest of the columns. */
function multiplyExpanded(
  a: Assembler,
  type: WeightType,
  { k, m }: { k: number; m: number },
): void {
  const reader = BLOCK_READERS[type];
  const end = a.label();
  a.cmp(r13, EXPANDED_ROWS);
  a.jumpIf("below", end);
  a.mov(rdx, r14);
  a.mov(rcx, rdi);
  a.mov(rax, k / WEIGHT_FORMATS[type].blockSize);
  const blocks = a.here();
  reader.begin(a);
  for (let part = 0; part < reader.parts; part++) {
    reader.load(a, part);
    storeExpanded(a, rcx);
    a.add(rcx, EXPANDED_BYTES);
  }
  a.add(rdx, packedBlockBytes(type));
  a.sub(rax, 1);
  a.jumpIf("notEqual", blocks);
  const columns = TILES[0];
  const tiles = a.here();
  a.mov(rdx, rdi);
  multiplyBlocks(a, {
    ...{ k, m, columns, blockBytes: EXPANDED_BYTES, blocks: k / 32, ahead: [] },
    reader: expandedReader(reader.correction),
  });
  nextTile(a, { k, m, columns });
  a.cmp(r13, columns);
  a.jumpIf("aboveOrEqual", tiles);
  a.bind(end);
}

/** Moves on to the next columns. */
function nextTile(
  a: Assembler,
  { k, m, columns }: { k: number; m: number; columns: number },
): void {
  a.add(rbx, columns * activationLayout(k).pitch);
  a.add(rsi, columns * m * FLOAT);
  a.sub(r13, columns);
}

/** One tile, from the weights at rdx. */
function multiplyBlocks(a: Assembler, tile: Tile): void {
  const { v } = a;
  const { k, m, columns, reader, blockBytes, blocks, ahead } = tile;
  const layout = activationLayout(k);
  const [scale, second] = [zmm(8), zmm(9)];
  const [first, other] = [zmm(10), zmm(11)];
  const sum = (n: number) => zmm(16 + n);
  for (let n = 0; n < columns; n++) v.vpxord(sum(n), sum(n), sum(n));
  a.mov(rcx, rbx);
  a.mov(rbp, 0);
  a.mov(rax, blocks);
  const loop = a.here();
  reader.begin(a);
  const lines = blockBytes / LINE / reader.parts;
  for (let part = 0; part < reader.parts; part++) {
    for (let line = Math.ceil(part * lines); line < (part + 1) * lines; line++)
      for (const { cache, aheadBytes } of ahead)
        a.prefetch(mem(rdx, aheadBytes + LINE * line), cache);
    reader.load(a, part);
    for (let n = 0; n < columns; n++) {
      /** A value of each block, in all lanes. */
      const ofBlock = (offset: number): Memory => ({
        ...indexed(rbx, rbp, { displacement: n * layout.pitch + offset + 4 * part }),
        broadcast: true,
      });
      const ofHalf = (half: number): Memory =>
        indexed(rbx, rbp, {
          scale: 2,
          displacement: n * layout.pitch + layout.minus32 + 8 * part + 4 * half,
        });
      const dot = (to: typeof first, from: number, count: number): void => {
        for (let i = from; i < from + count; i++)
          v.vpdpbusd(to, zmm(i), broadcast(rcx, n * layout.pitch + 32 * part + 4 * i));
      };
      switch (reader.correction) {
        case "minus32":
          v.vpbroadcastd(first, ofHalf(0));
          v.vpbroadcastd(other, ofHalf(1));
          dot(first, 0, 4);
          dot(other, 4, 4);
          v.vcvtdq2ps(first, first);
          v.vcvtdq2ps(other, other);
          v.vmulps(first, first, scale);
          v.vfmadd231ps(first, other, second);
          break;
        case "minimum":
          v.vpxord(first, first, first);
          dot(first, 0, 8);
          v.vcvtdq2ps(first, first);
          v.vmulps(first, first, scale);
          v.vfnmadd231ps(sum(n), second, ofBlock(layout.sums));
          break;
        default:
          v.vpbroadcastd(first, { ...ofBlock(layout[reader.correction]), broadcast: false });
          dot(first, 0, 8);
          v.vcvtdq2ps(first, first);
          v.vmulps(first, first, scale);
      }
      v.vfmadd231ps(sum(n), first, ofBlock(layout.scales));
    }
  }
  a.add(rdx, blockBytes);
  a.add(rcx, 32 * reader.parts);
  a.add(rbp, 4 * reader.parts);
  a.sub(rax, 1);
  a.jumpIf("notEqual", loop);
  for (let n = 0; n < columns; n++) v.vstoreups(mem(rsi, n * m * FLOAT), sum(n));
}
