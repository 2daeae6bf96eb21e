/** Products on kernels of our own: which they can take, and how strides become theirs. */
import * as emit from "../../engine/emit.ts";
import { panelColumns, TILE_ROWS, type ProductShape } from "../../kernels/f32-product.ts";
import type { Pointer } from "../../engine/api.ts";
import type { Graph } from "../graph.ts";
import type { Tensor } from "../tensor.ts";
import { graphOf } from "./check.ts";

const FLOAT = 4;
/** Distances inside a kernel's instructions are 32-bit numbers. */
const FARTHEST = 2 ** 31 - 1;
/** Columns of w that are read at once, where its rows become columns. */
const SQUARE = 16;

/** Whether products of f32 tensors in the graph of `x` run on kernels of our own, which read transposed views as they lie. */
export function readsTransposedViews(...inputs: readonly Tensor[]): boolean {
  return graphOf("product", inputs).backend.kernels !== undefined;
}

/** `x · wᵀ` of f32 views as a kernel's operation; undefined where ggml has to do it. Shapes are checked already. */
export function kernelProduct(graph: Graph, x: Tensor, w: Tensor): Pointer | undefined {
  const { kernels, threads } = graph.backend;
  if (kernels === undefined || x.dtype !== "f32" || w.dtype !== "f32") return undefined;
  const shape = productShape(x, w);
  const width = panelColumns(kernels.level);
  const pieces = rowPieces(shape, { rows: x.dim(-2), width, threads });
  const kernel = isAddressable(shape)
    ? kernels.f32Product({ ...shape, rowPieces: pieces }, threads)
    : undefined;
  if (kernel === undefined) return undefined;
  const scratch = graph.emit((c) => emit.newTensor(c, "f32", [kernel.scratchBytes / FLOAT]));
  const inputs = [x.pointer, w.pointer, scratch];
  const result = [...x.shape.slice(0, -1), w.dim(-2)];
  return graph.emit((c) =>
    emit.kernelOperation(c, {
      ...{ name: "mul_mat", kernel: kernel.address, inputs },
      ...{ dtype: "f32", shape: result },
    }),
  );
}

function productShape(x: Tensor, w: Tensor): ProductShape {
  const lead = (t: Tensor, axis: -3 | -4): { size: number; stride: number } => ({
    size: t.shape.at(axis) ?? 1,
    stride: t.strides.at(axis) ?? 0,
  });
  const shared = ([-4, -3] as const).map((axis) => lead(x, axis).size / lead(w, axis).size);
  return {
    inner: x.dim(-1),
    columns: w.dim(-2),
    a: {
      rowStride: strideOf(x, -2),
      innerStride: strideOf(x, -1),
      batchStrides: [lead(x, -4).stride, lead(x, -3).stride],
    },
    b: {
      innerStride: strideOf(w, -1),
      columnStride: strideOf(w, -2),
      batchStrides: [lead(w, -4).stride, lead(w, -3).stride],
    },
    batch: [lead(x, -4).size, lead(x, -3).size],
    shared: [shared[0] ?? 1, shared[1] ?? 1],
    rowPieces: 1,
  };
}

/** The stride of an axis; that of one value is never used, and counts as dense. */
function strideOf(t: Tensor, axis: -1 | -2): number {
  return t.dim(axis) === 1 ? FLOAT : (t.strides.at(axis) ?? FLOAT);
}

/** Whether b has values side by side, and no distance is too far. */
function isAddressable({ a, b, inner, columns, batch }: ProductShape): boolean {
  if (b.innerStride !== FLOAT && b.columnStride !== FLOAT) return false;
  const distances = [
    a.rowStride * TILE_ROWS + a.innerStride * SQUARE,
    b.columnStride * 4 * SQUARE,
    b.innerStride,
    ...a.batchStrides,
    ...b.batchStrides,
    columns * FLOAT * TILE_ROWS,
    inner,
    batch[0] * batch[1] * columns,
  ];
  return distances.every((n) => n <= FARTHEST);
}

/** What packing a row of a panel costs, in rows of a that could be multiplied with it in the same time. */
const PACKING_ROWS = 4;
const MAX_PIECES = 8;

/** Into how many pieces the rows are cut, each of which packs its panels itself: fewest that keep all threads at work. */
function rowPieces(
  { columns, batch }: ProductShape,
  { rows, width, threads }: { rows: number; width: number; threads: number },
): number {
  const panels = Math.ceil(columns / width) * batch[0] * batch[1];
  let best = { pieces: 1, cost: Infinity };
  for (let pieces = 1; pieces <= MAX_PIECES; pieces++) {
    const perPiece = Math.ceil(rows / pieces / TILE_ROWS) * TILE_ROWS + PACKING_ROWS;
    const cost = Math.ceil((panels * pieces) / threads) * perPiece;
    if (cost < 0.98 * best.cost) best = { pieces, cost };
  }
  return best.pieces;
}
