/**
 * Second half of the f32 product: multiplies rows of a with a packed panel, six rows at a time, in registers.
 *
 *   c(n, j) += Σₖ a(n, k) · panel(k, j)      one fused multiply-add after another, k ascending
 *
 * The order of the sum of a value depends on K alone, not on how many rows there are or where a row lies among them.
 *
 * | register | holds |
 * |---|---|
 * | vectors 0 … 23 (AVX2: 0 … 11) | the tile of c, rows × 4 (2) vectors |
 * | the next 4 (2) | a row of the panel |
 * | the last 4 (2) | values of a, each in all lanes |
 * | rsi, rbx | a and c at the tile's first row |
 * | rcx, rdx | a and the panel at k |
 * | rax | values left |
 * | rdi | rows left |
 * | r9 | values summed by earlier steps: 0 starts afresh, more adds to c |
 * | r10, r11 | values in this step, the panel |
 * | rbp | the tile's limit, where there are limits |
 */
import type { Assembler } from "./assembler.ts";
import type { PanelMasks } from "./f32-panel.ts";
import { multiplyAdd, resultRowStride, TILE_ROWS, type ProductShape } from "./f32-shape.ts";
import {
  mem,
  r10,
  r11,
  r9,
  rax,
  rbp,
  rbx,
  rcx,
  rdi,
  rdx,
  rsi,
  type Memory,
  type Vector,
} from "./operands.ts";
import type { Lanes } from "./vector-level.ts";

/** Values of k in one turn of the inner loop. */
const UNROLL = 4;
const LIMIT_BYTES = 8;

interface Tile {
  lanes: Lanes;
  columns: number;
  masks: PanelMasks;
  /** The number of rows is a multiple of a tile's. */
  wholeTiles?: boolean;
  /** The panel's first column of c, for limits. */
  column?: Memory;
}

/** All rows: rdi of them, from rsi, to rbx. */
export function multiplyRows(a: Assembler, shape: ProductShape, tile: Tile): void {
  const [rest, end] = [a.label(), a.label()];
  const loop = a.here();
  a.cmp(rdi, TILE_ROWS);
  a.jumpIf("below", rest);
  multiplyTile(a, shape, tile, TILE_ROWS);
  if (shape.limited !== undefined) a.add(rbp, LIMIT_BYTES);
  a.add(rsi, TILE_ROWS * shape.a.rowStride);
  a.add(rbx, TILE_ROWS * resultRowStride(shape));
  a.sub(rdi, TILE_ROWS);
  a.jump(loop);
  a.bind(rest);
  if (tile.wholeTiles === true) return;
  for (let rows = 1; rows < TILE_ROWS; rows++) {
    const next = a.label();
    a.cmp(rdi, rows);
    a.jumpIf("notEqual", next);
    multiplyTile(a, shape, tile, rows);
    a.jump(end);
    a.bind(next);
  }
  a.bind(end);
}

function multiplyTile(a: Assembler, shape: ProductShape, tile: Tile, rows: number): void {
  const { lanes, columns, masks } = tile;
  const vectors = Math.ceil(columns / lanes.count);
  const widest = lanes.count === 16 ? 4 : 2;
  const sum = (i: number, j: number): Vector => lanes.vector(i * vectors + j);
  const panel = (j: number): Vector => lanes.vector(TILE_ROWS * widest + j);
  const value = (i: number): Vector => lanes.vector((TILE_ROWS + 1) * widest + (i % widest));
  const eachSum = (visit: (vector: Vector, i: number, j: number) => void): void => {
    for (let i = 0; i < rows; i++) for (let j = 0; j < vectors; j++) visit(sum(i, j), i, j);
  };
  const isCut = (j: number): boolean => (j + 1) * lanes.count > columns;
  const cAt = (i: number, j: number) => mem(rbx, i * resultRowStride(shape) + j * lanes.bytes);

  const [fresh, start, hidden] = [a.label(), a.label(), a.label()];
  if (shape.limited === "columns" && tile.column !== undefined) {
    a.mov(rax, tile.column);
    a.cmp(rax, mem(rbp));
    a.jumpIf("aboveOrEqual", hidden);
  } else if (shape.limited === "inner") {
    a.cmp(r9, mem(rbp));
    a.jumpIf("aboveOrEqual", hidden);
  }
  a.cmp(r9, 0);
  a.jumpIf("equal", fresh);
  eachSum((vector, i, j) => {
    if (isCut(j)) lanes.loadMasked(a, masks.columns, vector, cAt(i, j));
    else a.v.vmovups(vector, cAt(i, j));
  });
  a.jump(start);
  a.bind(fresh);
  eachSum((vector) => {
    lanes.clear(a, vector);
  });
  a.bind(start);

  a.mov(rcx, rsi);
  a.mov(rdx, r11);
  a.mov(rax, r10);
  if (shape.limited === "inner") {
    const within = a.label();
    a.mov(rax, mem(rbp));
    a.sub(rax, r9);
    a.cmp(rax, r10);
    a.jumpIf("below", within);
    a.mov(rax, r10);
    a.bind(within);
  }
  const steps = (count: number): void => {
    for (let k = 0; k < count; k++) {
      for (let j = 0; j < vectors; j++)
        a.v.vmovups(panel(j), mem(rdx, (k * vectors + j) * lanes.bytes));
      for (let i = 0; i < rows; i++) {
        a.v.vbroadcastss(value(i), mem(rcx, k * shape.a.innerStride + i * shape.a.rowStride));
        for (let j = 0; j < vectors; j++) multiplyAdd(a, shape, [sum(i, j), value(i), panel(j)]);
      }
    }
    a.add(rcx, count * shape.a.innerStride);
    a.add(rdx, count * vectors * lanes.bytes);
    a.sub(rax, count);
  };
  const [single, end] = [a.label(), a.label()];
  if (rows === TILE_ROWS) {
    const loop = a.here();
    a.cmp(rax, UNROLL);
    a.jumpIf("below", single);
    steps(UNROLL);
    a.jump(loop);
    a.bind(single);
    a.cmp(rax, 0);
    a.jumpIf("equal", end);
  }
  const loop = a.here();
  steps(1);
  a.jumpIf("notEqual", loop);
  a.bind(end);
  eachSum((vector, i, j) => {
    if (isCut(j)) lanes.storeMasked(a, masks.columns, cAt(i, j), vector);
    else a.v.vstoreups(cAt(i, j), vector);
  });
  a.bind(hidden);
}
