/**
 * First half of the f32 product: copies a panel of b, up to `kc` values deep and `columns` wide, into memory of its own, as f32
 * and in the order in which the tile reads it: value (k, j) at `panel + (k · vectors · lanes + j) · 4`.
 *
 * | register | holds |
 * |---|---|
 * | rcx | b(k, j), the next value to read |
 * | rdx | where it goes |
 * | rax | vectors or squares left |
 * | rbx | column groups left |
 * | rbp | the start of the column group in b |
 * | r10 | kc: values in this step |
 * | r11 | the panel |
 */
import type { Assembler } from "./assembler.ts";
import { elementBytes, type ProductShape } from "./f32-shape.ts";
import {
  masked,
  mem,
  r10,
  r11,
  r8,
  rax,
  rbp,
  rbx,
  rcx,
  rdx,
  type Memory,
  type Vector,
} from "./operands.ts";
import { transposeSquare } from "./transpose.ts";
import type { Lanes, MaskSlot } from "./vector-level.ts";

/** How far ahead in each row of w lines are fetched: many rows at once are more than the processor foresees. */
const PREFETCH_BYTES = 256;
/** Products of a batch that lie nearer than this share rows of memory. */
const NEAR_BYTES = 4096;

/** From a value of b to that of the next product of the batch, where it lies in the same row of memory, as heads do in a cache. */
export function nearNext({ b, batch }: ProductShape): number | undefined {
  const stride = b.batchStrides[1];
  return batch[1] > 1 && stride > 0 && stride < NEAR_BYTES ? stride : undefined;
}

export interface PanelMasks {
  /** Columns of the last vector of the last panel. */
  columns: MaskSlot;
  /** Values in the last square of a transposed panel: K mod lanes. */
  inner: MaskSlot;
}

export interface Panel {
  lanes: Lanes;
  columns: number;
  masks: PanelMasks;
}

/** Packs from rcx, whose columns (rows of wᵀ) or rows lie side by side. */
export function packPanel(a: Assembler, shape: ProductShape, panel: Panel): void {
  if (shape.b.columnStride === elementBytes(shape)) packRows(a, shape, panel);
  else packTurned(a, shape, panel);
}

/** Loads a vector of b, widened to f32; `slot` limits it to some lanes. */
export function loadPanelVector(
  a: Assembler,
  { half }: ProductShape["b"],
  { lanes, to, from, slot }: { lanes: Lanes; to: Vector; from: Memory; slot?: MaskSlot },
): void {
  if (half === true) {
    // Lanes outside a mask are not read (AVX-512).
    const limited = slot === undefined ? to : masked(to, slot.register, { zeroing: true });
    a.v.vcvtph2ps(limited, from);
  } else if (slot === undefined) a.v.vmovups(to, from);
  else lanes.loadMasked(a, slot, to, from);
}

/** Each row of b is copied as it lies. */
function packRows(a: Assembler, { b }: ProductShape, { lanes, columns, masks }: Panel): void {
  const vectorBytes = lanes.count * (b.half === true ? 2 : 4);
  const vectors = Math.ceil(columns / lanes.count);
  a.mov(rdx, r11);
  a.mov(rax, r10);
  const loop = a.here();
  for (let j = 0; j < vectors; j++) {
    const vector = { lanes, to: lanes.vector(j), from: mem(rcx, j * vectorBytes) };
    if ((j + 1) * lanes.count > columns) loadPanelVector(a, b, { ...vector, slot: masks.columns });
    else loadPanelVector(a, b, vector);
  }
  for (let j = 0; j < vectors; j++) a.v.vstoreups(mem(rdx, j * lanes.bytes), lanes.vector(j));
  a.add(rcx, b.innerStride);
  a.add(rdx, vectors * lanes.bytes);
  a.sub(rax, 1);
  a.jumpIf("notEqual", loop);
}

/** Rows of w become columns, a square at a time. */
function packTurned(a: Assembler, shape: ProductShape, { lanes, columns, masks }: Panel): void {
  const vectors = Math.ceil(columns / lanes.count);
  const pitch = vectors * lanes.bytes;
  const rest = shape.inner % lanes.count;
  const square = (rows: number, depth: number): void => {
    loadSquare(a, shape, { lanes, columns, masks }, { columns: rows, depth });
    const turned = transposeSquare(a, lanes);
    turned.slice(0, depth).forEach((vector, k) => {
      a.v.vstoreups(mem(rdx, k * pitch), vector);
    });
  };
  /** All of the step's values of `rows` columns, from rbp to r8. */
  const group = (rows: number): void => {
    const [squares, last, end] = [a.label(), a.label(), a.label()];
    a.mov(rcx, rbp);
    a.mov(rdx, r8);
    a.mov(rax, r10);
    a.bind(squares);
    a.cmp(rax, lanes.count);
    a.jumpIf("below", last);
    square(rows, lanes.count);
    a.add(rcx, lanes.count * elementBytes(shape));
    a.add(rdx, lanes.count * pitch);
    a.sub(rax, lanes.count);
    a.jump(squares);
    a.bind(last);
    if (rest > 0) {
      a.cmp(rax, 0);
      a.jumpIf("equal", end);
      square(rows, rest);
      a.bind(end);
    }
  };
  const full = Math.floor(columns / lanes.count);
  a.mov(rbp, rcx);
  a.mov(r8, r11);
  if (full > 0) {
    a.mov(rbx, full);
    const groups = a.here();
    group(lanes.count);
    a.add(rbp, lanes.count * shape.b.columnStride);
    a.add(r8, lanes.bytes);
    a.sub(rbx, 1);
    a.jumpIf("notEqual", groups);
  }
  if (full < vectors) group(columns - full * lanes.count);
}

/** Loads `depth` values of `columns` rows of w from rcx; the rest of the square becomes 0. */
export function loadSquare(
  a: Assembler,
  shape: ProductShape,
  { lanes, masks }: Panel,
  { columns, depth }: { columns: number; depth: number },
): void {
  const { b } = shape;
  const ahead = nearNext(shape) ?? PREFETCH_BYTES;
  for (let i = 0; i < lanes.count; i++) {
    const [to, from] = [lanes.vector(i), mem(rcx, i * b.columnStride)];
    if (i >= columns) {
      lanes.clear(a, to);
      continue;
    }
    a.prefetch(mem(rcx, i * b.columnStride + ahead));
    loadPanelVector(a, b, {
      ...{ lanes, to, from },
      ...(depth < lanes.count ? { slot: masks.inner } : {}),
    });
  }
}
