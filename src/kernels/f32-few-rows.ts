/**
 * The f32 product for the few rows of decoding, which is bounded by how fast b is read: nothing is copied, each vector of b
 * meets a row of a as soon as it is in registers. The order of every sum is that of `f32-tile.ts`, so that the bits are the same.
 *
 * | register | holds |
 * |---|---|
 * | r12, r13, r14, r15 | a, b, c of the piece and its rows, as in `f32-product.ts` |
 * | rbp, rbx | b and c at the column group |
 * | r9 | column groups left |
 * | rsi, rdi, r8 | a and c at the row, rows left |
 * | rcx, rdx | b and a at k |
 * | rax | values of K left |
 */
import type { Assembler } from "./assembler.ts";
import { loadPanelVector, loadSquare, nearNext, type Panel } from "./f32-panel.ts";
import { elementBytes, multiplyAdd, resultRowStride, type ProductShape } from "./f32-shape.ts";
import {
  mem,
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
  rsp,
  type Vector,
} from "./operands.ts";
import { transposeSquare } from "./transpose.ts";

/** Rows up to which copying a panel costs more than it brings. */
export const FEW_ROWS = 4;

const LINE = 64;

/** @param sumsAt - stack space of a vector */
export function multiplyFewRows(
  a: Assembler,
  shape: ProductShape,
  panel: Panel,
  sumsAt: number,
): void {
  if (shape.b.columnStride === elementBytes(shape)) straight(a, shape, panel);
  else turned(a, shape, panel, sumsAt);
}

/** Runs `body` for each row: a at rsi, c at rdi. */
function eachRow(a: Assembler, shape: ProductShape, body: () => void): void {
  a.mov(rsi, r12);
  a.mov(rdi, rbx);
  a.mov(r8, r15);
  const rows = a.here();
  body();
  a.add(rsi, shape.a.rowStride);
  a.add(rdi, resultRowStride(shape));
  a.sub(r8, 1);
  a.jumpIf("notEqual", rows);
}

/** Rows of b lie side by side: all vectors of the panel at once. */
function straight(a: Assembler, shape: ProductShape, { lanes, columns, masks }: Panel): void {
  const vectors = Math.ceil(columns / lanes.count);
  const isCut = (j: number): boolean => (j + 1) * lanes.count > columns;
  const [sum, row] = [(j: number) => lanes.vector(j), (j: number) => lanes.vector(vectors + j)];
  const value = lanes.vector(2 * vectors);
  const next = nearNext(shape);
  a.mov(rbx, r14);
  eachRow(a, shape, () => {
    for (let j = 0; j < vectors; j++) lanes.clear(a, sum(j));
    a.mov(rcx, r13);
    a.mov(rdx, rsi);
    a.mov(rax, shape.inner);
    const loop = a.here();
    if (next !== undefined)
      for (let at = 0; at < columns * elementBytes(shape); at += LINE)
        a.prefetch(mem(rcx, next + at));
    a.v.vbroadcastss(value, mem(rdx));
    for (let j = 0; j < vectors; j++) {
      const from = mem(rcx, j * lanes.count * elementBytes(shape));
      loadPanelVector(a, shape.b, {
        ...{ lanes, to: row(j), from },
        ...(isCut(j) ? { slot: masks.columns } : {}),
      });
      multiplyAdd(a, shape, [sum(j), value, row(j)]);
    }
    a.add(rcx, shape.b.innerStride);
    a.add(rdx, shape.a.innerStride);
    a.sub(rax, 1);
    a.jumpIf("notEqual", loop);
    for (let j = 0; j < vectors; j++) {
      const to = mem(rdi, j * lanes.bytes);
      if (isCut(j)) lanes.storeMasked(a, masks.columns, to, sum(j));
      else a.v.vstoreups(to, sum(j));
    }
  });
}

/** Rows of w become columns in registers, a square at a time. */
function turned(a: Assembler, shape: ProductShape, panel: Panel, sumsAt: number): void {
  const { lanes, columns, masks } = panel;
  const rest = shape.inner % lanes.count;
  const sums = mem(rsp, sumsAt);
  /** Adds the products of a square; returns the vector that holds the sums. */
  const square = (groupColumns: number, depth: number): Vector => {
    loadSquare(a, shape, panel, { columns: groupColumns, depth });
    const square = transposeSquare(a, lanes);
    const isFree = (index: number): boolean => !square.some((vector) => vector.index === index);
    const [sum, value] = [...Array(2 * lanes.count).keys()].filter(isFree).map(lanes.vector) as [
      Vector,
      Vector,
    ];
    a.v.vmovups(sum, sums);
    square.slice(0, depth).forEach((column, k) => {
      a.v.vbroadcastss(value, mem(rdx, k * shape.a.innerStride));
      multiplyAdd(a, shape, [sum, value, column]);
    });
    return sum;
  };
  const group = (groupColumns: number): void => {
    eachRow(a, shape, () => {
      lanes.clear(a, lanes.vector(0));
      a.v.vstoreups(sums, lanes.vector(0));
      a.mov(rcx, rbp);
      a.mov(rdx, rsi);
      a.mov(rax, shape.inner);
      const last = a.label();
      const squares = a.here();
      a.cmp(rax, lanes.count);
      a.jumpIf("below", last);
      a.v.vstoreups(sums, square(groupColumns, lanes.count));
      a.add(rcx, lanes.count * elementBytes(shape));
      a.add(rdx, lanes.count * shape.a.innerStride);
      a.sub(rax, lanes.count);
      a.jump(squares);
      a.bind(last);
      if (rest > 0) a.v.vstoreups(sums, square(groupColumns, rest));
      a.v.vmovups(lanes.vector(0), sums);
      if (groupColumns < lanes.count)
        lanes.storeMasked(a, masks.columns, mem(rdi), lanes.vector(0));
      else a.v.vstoreups(mem(rdi), lanes.vector(0));
    });
  };
  const full = Math.floor(columns / lanes.count);
  a.mov(rbp, r13);
  a.mov(rbx, r14);
  if (full > 0) {
    a.mov(r9, full);
    const groups = a.here();
    group(lanes.count);
    a.add(rbp, lanes.count * shape.b.columnStride);
    a.add(rbx, lanes.bytes);
    a.sub(r9, 1);
    a.jumpIf("notEqual", groups);
  }
  if (full * lanes.count < columns) group(columns - full * lanes.count);
}
