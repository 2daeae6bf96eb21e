/**
 * The product of f32 matrices, c = a · b, for a and b in any arrangement whose b has values side by side on one axis:
 * both straight, either or both transposed, views with gaps, batches. b may also be f16, or quantised
 * weights that were packed for the other product, x · wᵀ (`packed-panel.ts`), and both may be pairs of bf16 numbers. c is dense.
 *
 *   c(n, m) = Σₖ a(n, k) · b(k, m)        [N, K] · [K, M] → [N, M]
 *
 * b is cut into panels of 64 columns (AVX2: 16) and steps of up to `kc` values. A step's panel is copied into the second
 * cache in the order in which it will be read (`f32-panel.ts`); then it meets all rows of a, six at a time, in registers
 * (`f32-tile.ts`; few rows meet b as it is read: `f32-few-rows.ts`), as in Goto & van de Geijn 2008 ("Anatomy of high-performance matrix multiplication"). Values of a are
 * read where they lie; where a is transposed, 48 rows at a time are first brought together. Panels, and where there are few of them also halves, thirds … of the rows, are dealt to the threads in
 * turn; in a batch and for few rows each thread gets neighbouring ones, so that heads have equal shares, and what lies beside a head's keys in
 * a cache is its thread's own next.
 *
 * Inputs of the operation: a, b, scratch of `scratchBytes`, limits where there are any.
 *
 * | register | between the parts |
 * |---|---|
 * | r10 | values of K in this step |
 * | r11 | this thread's panel |
 * | r9 | values of K that earlier steps have summed |
 * | r12, r13, r14 | a, b, c of the piece: first row, panel, first row and column |
 * | r15 | rows of the piece |
 */
import { Assembler } from "./assembler.ts";
import { FEW_ROWS, multiplyFewRows } from "./f32-few-rows.ts";
import { packPanel, type PanelMasks } from "./f32-panel.ts";
import { multiplyRows } from "./f32-tile.ts";
import { ARGUMENTS, kernelFunction, loadInput, loadOutput, TENSOR_OFFSET } from "./frame.ts";
import { decodePanel, panelsPerBlock } from "./packed-panel.ts";
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
  rbp,
  rbx,
  rcx,
  rdi,
  rdx,
  rsi,
  rsp,
} from "./operands.ts";
import { divideBy, LOCAL, LOCAL_BYTES, locatePiece, shareItems } from "./f32-pieces.ts";
import { TILE_ROWS, type ProductShape } from "./f32-shape.ts";
import { LANES, MASK_BYTES, type VectorLevel } from "./vector-level.ts";

/** Rows of a transposed a that are copied together: whole tiles, and whole lines of the cache. */
const BLOCK_ROWS = 48;
/** Vectors of a panel's row. */
const PANEL_VECTORS = { avx512: 4, avx2: 2 } as const;
/** Values of K in a step: a panel of 128 KiB in the second cache, or (AVX2) of 16 KiB in the first. */
const STEP = { avx512: 512, avx2: 256 } as const;

export function panelColumns(level: VectorLevel): number {
  return PANEL_VECTORS[level] * LANES[level].count;
}

/** Values of K in a step: as few steps as possible, of equal lengths, whole squares of a transposed panel. */
function stepLength({ inner }: ProductShape, level: VectorLevel): number {
  return Math.ceil(inner / Math.ceil(inner / STEP[level]) / 16) * 16;
}

/** Whether values of a that follow each other on K lie a row apart, and those of neighbouring rows side by side. */
function isTurned({ a }: ProductShape): boolean {
  return a.innerStride !== 4 && a.rowStride === 4;
}

/** Bytes of a panel of b. */
function panelBytes(shape: ProductShape, level: VectorLevel): number {
  return Math.min(stepLength(shape, level), shape.inner) * panelColumns(level) * 4;
}

/** Bytes that each thread needs: a panel, and a block of rows where a is turned. */
function threadBytes(shape: ProductShape, level: VectorLevel): number {
  const block = isTurned(shape) ? Math.min(stepLength(shape, level), shape.inner) : 0;
  return panelBytes(shape, level) + block * BLOCK_ROWS * 4;
}

export function scratchBytes(shape: ProductShape, level: VectorLevel, threads: number): number {
  return threads * threadBytes(shape, level);
}

export function assembleF32Product(shape: ProductShape, level: VectorLevel): Uint8Array {
  const a = new Assembler();
  const lanes = LANES[level];
  const local = (at: number) => mem(rsp, at);
  const scratch = lanes.count === 16 ? 31 : 15;
  const masks: PanelMasks = {
    columns: { register: 1, localAt: LOCAL.masks, scratch },
    inner: { register: 2, localAt: LOCAL.masks + MASK_BYTES, scratch },
  };
  const width = panelColumns(level);
  const panels = Math.ceil(shape.columns / width);
  const rest = shape.columns % width;
  const items = panels * shape.rowPieces * shape.batch[0] * shape.batch[1];

  kernelFunction(a, { localBytes: LOCAL_BYTES }, () => {
    a.mov(r11, threadBytes(shape, level));
    a.imul(r11, ARGUMENTS.thread);
    const rowAxis = shape.interleaved === true ? 2 : 1;
    a.mov(rbx, mem(ARGUMENTS.out, TENSOR_OFFSET.ne + 8 * rowAxis)); // N
    a.store(local(LOCAL.rows), rbx);
    shareItems(a, shape, items);
    loadInput(a, rax, 2);
    a.add(r11, rax);
    if (shape.limited !== undefined) {
      loadInput(a, rax, 3);
      a.store(local(LOCAL.limits), rax);
    }
    loadInput(a, rax, 0);
    a.store(local(LOCAL.a), rax);
    loadInput(a, rax, 1);
    a.store(local(LOCAL.b), rax);
    loadOutput(a, rax);
    a.store(local(LOCAL.c), rax);
    // Rows of a piece: whole tiles.
    a.lea(rax, mem(rbx, shape.rowPieces * TILE_ROWS - 1));
    divideBy(a, shape.rowPieces * TILE_ROWS);
    a.imul(rax, rax, TILE_ROWS);
    a.store(local(LOCAL.rowsPerPiece), rax);
    if (shape.columns % lanes.count > 0)
      lanes.prepareMask(a, masks.columns, shape.columns % lanes.count);
    if (shape.inner % lanes.count > 0) lanes.prepareMask(a, masks.inner, shape.inner % lanes.count);

    const [next, end] = [a.label(), a.label()];
    const loop = a.here();
    a.mov(rax, local(LOCAL.item));
    a.cmp(rax, local(LOCAL.end));
    a.jumpIf("aboveOrEqual", end);
    locatePiece(a, shape, { panels, width, next });
    if (rest === 0) multiplyPiece(a, shape, level, { columns: width, masks });
    else {
      const last = a.label();
      if (panels > 1) {
        // r8 holds the number of the panel.
        a.cmp(r8, panels - 1);
        a.jumpIf("equal", last);
        multiplyPiece(a, shape, level, { columns: width, masks });
        a.jump(next);
        a.bind(last);
      }
      multiplyPiece(a, shape, level, { columns: rest, masks });
    }
    a.bind(next);
    a.mov(rax, local(LOCAL.item));
    a.add(rax, local(LOCAL.step));
    a.store(local(LOCAL.item), rax);
    a.jump(loop);
    a.bind(end);
  });
  return a.finish();
}

/** All steps of K for one panel and its rows. */
function multiplyPiece(
  a: Assembler,
  shape: ProductShape,
  level: VectorLevel,
  { columns, masks }: { columns: number; masks: PanelMasks },
): void {
  const step = stepLength(shape, level);
  const part = {
    lanes: LANES[level],
    columns,
    masks,
    column: mem(rsp, LOCAL.column),
  };
  const { packed: type } = shape.b;
  const end = a.label();
  if (type === undefined) {
    const many = a.label();
    a.cmp(r15, FEW_ROWS + 1);
    a.jumpIf("aboveOrEqual", many);
    multiplyFewRows(a, shape, part, LOCAL.sums);
    a.jump(end);
    a.bind(many);
  } else {
    a.mov(rax, r8);
    divideBy(a, panelsPerBlock(type, columns));
    a.store(mem(rsp, LOCAL.panel), rdx);
  }
  a.mov(r9, 0);
  const loop = a.here();
  a.mov(r10, shape.inner);
  a.sub(r10, r9);
  const short = a.label();
  a.cmp(r10, step);
  a.jumpIf("below", short);
  a.mov(r10, step);
  a.bind(short);
  a.imul(rcx, r9, shape.b.innerStride);
  a.add(rcx, r13);
  if (type === undefined) packPanel(a, shape, part);
  else {
    a.mov(rbp, mem(rsp, LOCAL.panel));
    decodePanel(a, shape, { type, columns });
  }
  a.imul(rsi, r9, shape.a.innerStride);
  a.add(rsi, r12);
  a.mov(rbx, r14);
  a.mov(rdi, r15);
  if (shape.limited !== undefined) a.mov(rbp, mem(rsp, LOCAL.limits));
  if (isTurned(shape)) multiplyBlocks(a, shape, part, panelBytes(shape, level));
  multiplyRows(a, shape, part);
  a.add(r9, r10);
  a.cmp(r9, shape.inner);
  a.jumpIf("below", loop);
  a.bind(end);
}

/**
 * Whole blocks of 48 rows of a transposed a: copied behind the panel, value (n, k) at (k · 48 + n) · 4, and multiplied from
 * there. In place every k is another line, and lines that lie a power of two apart push each other out of the cache.
 */
function multiplyBlocks(
  a: Assembler,
  shape: ProductShape,
  part: Parameters<typeof multiplyRows>[2],
  panelSize: number,
): void {
  const { lanes } = part;
  const vectors = BLOCK_ROWS / lanes.count;
  const rest = a.label();
  const blocks = a.here();
  a.cmp(rdi, BLOCK_ROWS);
  a.jumpIf("below", rest);
  a.store(mem(rsp, LOCAL.left), rdi);
  a.mov(rcx, rsi);
  a.lea(rdx, mem(r11, panelSize));
  a.mov(rax, r10);
  const copy = a.here();
  for (let j = 0; j < vectors; j++) a.v.vmovups(lanes.vector(j), mem(rcx, j * lanes.bytes));
  for (let j = 0; j < vectors; j++) a.v.vstoreups(mem(rdx, j * lanes.bytes), lanes.vector(j));
  a.add(rcx, shape.a.innerStride);
  a.add(rdx, BLOCK_ROWS * 4);
  a.sub(rax, 1);
  a.jumpIf("notEqual", copy);
  a.store(mem(rsp, LOCAL.row), rsi);
  a.lea(rsi, mem(r11, panelSize));
  a.mov(rdi, BLOCK_ROWS);
  const dense = { ...shape.a, rowStride: 4, innerStride: BLOCK_ROWS * 4 };
  multiplyRows(a, { ...shape, a: dense }, { ...part, wholeTiles: true });
  a.mov(rsi, mem(rsp, LOCAL.row));
  a.add(rsi, BLOCK_ROWS * 4);
  a.mov(rdi, mem(rsp, LOCAL.left));
  a.sub(rdi, BLOCK_ROWS);
  a.jump(blocks);
  a.bind(rest);
}
