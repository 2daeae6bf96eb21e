/** The pieces of an f32 product (`f32-product.ts`): which of them a thread takes, and where each lies. */
import type { Assembler } from "./assembler.ts";
import { FEW_ROWS } from "./f32-few-rows.ts";
import { resultRowStride, type ProductShape } from "./f32-shape.ts";
import { ARGUMENTS } from "./frame.ts";
import {
  mem,
  r12,
  r13,
  r14,
  r15,
  r8,
  rax,
  rbp,
  rbx,
  rcx,
  rdi,
  rdx,
  rsi,
  rsp,
  type General,
} from "./operands.ts";
import { MASK_BYTES } from "./vector-level.ts";
import { shareGroups } from "./work.ts";

/** Locals on the stack. */
export const LOCAL = {
  rows: 0,
  rowsPerPiece: 8,
  step: 16,
  item: 24,
  a: 32,
  b: 40,
  c: 48,
  row: 56,
  left: 64,
  panel: 72,
  sums: 80,
  limits: 144,
  column: 152,
  end: 160,
  masks: 168,
};
export const LOCAL_BYTES = LOCAL.masks + 2 * MASK_BYTES;

/** Which items this thread takes: in turn, or neighbouring ones. rbx holds the number of rows; changes rax, rcx, rdx and rbp. */
export function shareItems(a: Assembler, { batch }: ProductShape, items: number): void {
  const local = (at: number) => mem(rsp, at);
  const [neighbours, end] = [a.label(), a.label()];
  if (batch[0] * batch[1] === 1) {
    a.cmp(rbx, FEW_ROWS + 1);
    a.jumpIf("below", neighbours);
    a.store(local(LOCAL.item), ARGUMENTS.thread);
    a.store(local(LOCAL.step), ARGUMENTS.threads);
    a.mov(rax, items);
    a.store(local(LOCAL.end), rax);
    a.jump(end);
  }
  a.bind(neighbours);
  shareGroups(a, items, { first: rcx, end: rbp });
  a.store(local(LOCAL.item), rcx);
  a.store(local(LOCAL.end), rbp);
  a.mov(rax, 1);
  a.store(local(LOCAL.step), rax);
  a.bind(end);
}

/** rax becomes rax / n, rdx the rest; changes rcx. */
export function divideBy(a: Assembler, n: number): void {
  a.mov(rdx, 0);
  if (n === 1) return;
  a.mov(rcx, n);
  a.div(rcx);
}

/**
 * From the number of a piece in rax: the addresses of its a, b and c in r12, r13, r14, its rows in r15 and its panel in r8.
 * Goes to `next` where it has no rows.
 */
export function locatePiece(
  a: Assembler,
  shape: ProductShape,
  { panels, width, next }: { panels: number; width: number; next: ReturnType<Assembler["label"]> },
): void {
  const local = (at: number) => mem(rsp, at);
  divideBy(a, shape.rowPieces);
  a.imul(rdx, local(LOCAL.rowsPerPiece)); // first row
  a.mov(r15, local(LOCAL.rows));
  a.cmp(rdx, r15);
  a.jumpIf("aboveOrEqual", next);
  a.sub(r15, rdx);
  const fits = a.label();
  a.cmp(r15, local(LOCAL.rowsPerPiece));
  a.jumpIf("below", fits);
  a.mov(r15, local(LOCAL.rowsPerPiece));
  a.bind(fits);
  a.imul(r12, rdx, shape.a.rowStride);
  a.imul(r14, rdx, resultRowStride(shape));
  divideBy(a, panels);
  a.mov(r8, rdx);
  if (shape.limited === "columns") {
    a.imul(rsi, r8, width);
    a.store(local(LOCAL.column), rsi);
  }
  a.imul(r13, r8, width * shape.b.columnStride);
  a.imul(rdx, r8, width * 4);
  a.add(r14, rdx);
  if (shape.interleaved !== true) {
    // rax is the number of the product in the batch: c lies N·M·4 bytes further for each.
    a.imul(rdx, rax, shape.columns * 4);
    a.imul(rdx, local(LOCAL.rows));
    a.add(r14, rdx);
  }
  const advance = (index: General, strides: [number, number], shared: number): void => {
    // rbx keeps what rax and rdx held.
    a.mov(rbx, index);
    a.imul(rsi, rbx, strides[0]);
    a.add(r12, rsi);
    a.mov(rdi, rax);
    a.mov(rax, rbx);
    divideBy(a, shared);
    a.imul(rsi, rax, strides[1]);
    a.add(r13, rsi);
    a.mov(rax, rdi);
  };
  divideBy(a, shape.batch[1]);
  if (shape.interleaved === true) {
    a.imul(rsi, rdx, shape.columns * 4);
    a.add(r14, rsi);
    a.imul(rsi, rax, resultRowStride(shape));
    a.imul(rsi, local(LOCAL.rows));
    a.add(r14, rsi);
  }
  advance(rdx, [shape.a.batchStrides[1], shape.b.batchStrides[1]], shape.shared[1]);
  advance(rax, [shape.a.batchStrides[0], shape.b.batchStrides[0]], shape.shared[0]);
  a.add(r12, local(LOCAL.a));
  a.add(r13, local(LOCAL.b));
  a.add(r14, local(LOCAL.c));
}
