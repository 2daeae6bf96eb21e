/** Products on kernels of our own: which they can take, and how strides become theirs. */
import { DTYPES } from "../../engine/dtypes.ts";
import * as emit from "../../engine/emit.ts";
import type { Kernel, Kernels } from "../../kernels/kernels.ts";
import { panelColumns } from "../../kernels/f32-product.ts";
import {
  elementBytes,
  resultRowStride,
  TILE_ROWS,
  type ProductShape,
} from "../../kernels/f32-shape.ts";
import {
  GROUP_ROWS,
  isPackable,
  WEIGHT_FORMATS,
  type WeightType,
} from "../../kernels/weight-formats.ts";
import type { Pointer } from "../../engine/api.ts";
import type { Graph } from "../graph.ts";
import type { Tensor } from "../tensor.ts";
import { graphOf, refuse, requireReadable, rowsAreDense } from "./check.ts";
import { cast } from "./copy.ts";
import { packed } from "./layout.ts";

const FLOAT = 4;
/** Bytes of two bf16 numbers. */
const PAIR = 4;
/** Distances inside a kernel's instructions are 32-bit numbers. */
const FARTHEST = 2 ** 31 - 1;
/** Columns of w that are read at once, where its rows become columns. */
const SQUARE = 16;

/** Whether products of f32 tensors in the graph of `x` run on kernels of our own, which read transposed views as they lie. */
export function readsTransposedViews(...inputs: readonly Tensor[]): boolean {
  return graphOf("product", inputs).backend.kernels !== undefined;
}

export interface ProductLimits {
  pointer: Pointer;
  axis: "inner" | "columns";
}

/**
 * `x · wᵀ` of views as a kernel's operation; undefined where ggml has to do it. Shapes are checked already.
 *
 * @param x - f32 `[..., T, K]`
 * @param w - f32, or f16 or bf16 where the kernels read that, `[..., M, K]`
 * @param interleaved - the result is `[B, T, N, M]` instead of `[B, N, T, M]`
 * @param limits - how far tiles of rows go in K or in the result's columns, which keep no value beyond (`mask-limits.ts`)
 */
export function kernelProduct(
  graph: Graph,
  x: Tensor,
  w: Tensor,
  { interleaved = false, limits }: { interleaved?: boolean; limits?: ProductLimits } = {},
): Pointer | undefined {
  const { kernels, threads } = graph.backend;
  if (kernels === undefined || x.dtype !== "f32") return undefined;
  const isBf16 = w.dtype === "bf16";
  if (
    isBf16
      ? !multipliesPairs(kernels, w)
      : w.dtype !== "f32" && !(w.dtype === "f16" && kernels.readsHalf)
  )
    return undefined;
  const rows = isBf16 ? asBf16(x) : x;
  const whole = productShape(rows, w);
  const shape = {
    ...(isBf16 ? inPairs(whole) : whole),
    ...(interleaved ? { interleaved } : {}),
    ...(limits === undefined ? {} : { limited: limits.axis }),
  };
  const width = panelColumns(kernels.level);
  const pieces = limits ? 1 : rowPieces(shape, { rows: x.dim(-2), width, threads });
  const kernel = isAddressable(shape)
    ? kernels.f32Product({ ...shape, rowPieces: pieces }, threads)
    : undefined;
  if (kernel === undefined) return undefined;
  const inputs = [rows.pointer, w.pointer, ...scratchOf(graph, kernel)];
  if (limits !== undefined) inputs.push(limits.pointer);
  const [b, n, t] = x.shape;
  const result = interleaved
    ? [b ?? 1, t ?? 1, n ?? 1, w.dim(-2)]
    : [...x.shape.slice(0, -1), w.dim(-2)];
  return graph.emit((c) =>
    emit.kernelOperation(c, {
      ...{ name: isBf16 ? `mul_mat bf16 ${w.dim(-1)}` : "mul_mat", kernel: kernel.address, inputs },
      ...{ dtype: "f32", shape: result },
    }),
  );
}

/** Whether rows of bf16 numbers can be read as pairs. */
function multipliesPairs({ multipliesBf16 }: Kernels, w: Tensor): boolean {
  return multipliesBf16 && w.dim(-1) % 2 === 0 && rowsAreDense(w);
}

/** Rows rounded to bf16, as ggml's product does: all weights that read the same tensor share them. */
const bf16Rows = new WeakMap<Tensor, Tensor>();

function asBf16(x: Tensor): Tensor {
  let rows = bf16Rows.get(x);
  if (rows === undefined) bf16Rows.set(x, (rows = cast(x.contiguous ? x : packed(x), "bf16")));
  return rows;
}

function inPairs(shape: ProductShape): ProductShape {
  return {
    ...shape,
    inner: shape.inner / 2,
    a: { ...shape.a, innerStride: PAIR },
    b: { ...shape.b, innerStride: PAIR },
    pairs: true,
  };
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
      ...(w.dtype === "f16" ? { half: true } : {}),
    },
    batch: [lead(x, -4).size, lead(x, -3).size],
    shared: [shared[0] ?? 1, shared[1] ?? 1],
    rowPieces: 1,
  };
}

/** The stride of an axis; that of one value is never used, and counts as dense. */
function strideOf(t: Tensor, axis: -1 | -2): number {
  const valueBytes = DTYPES[t.dtype].blockBytes;
  return t.dim(axis) === 1 ? valueBytes : (t.strides.at(axis) ?? valueBytes);
}

/** Whether b has values side by side, and no distance is too far. */
function isAddressable(shape: ProductShape): boolean {
  const { a, b, inner, columns, batch } = shape;
  const valueBytes = elementBytes(shape);
  if (b.packed === undefined && b.innerStride !== valueBytes && b.columnStride !== valueBytes)
    return false;
  const distances = [
    a.rowStride * TILE_ROWS + a.innerStride * SQUARE,
    b.columnStride * 4 * SQUARE,
    b.innerStride,
    ...a.batchStrides,
    ...b.batchStrides,
    resultRowStride(shape) * TILE_ROWS,
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

/** `x · wᵀ` of f32 rows `[R, K]` and weights `[M, K]` that were packed for our kernels when they were loaded. */
export function packedProduct(graph: Graph, x: Tensor, w: Tensor): Pointer {
  const { kernels, threads } = graph.backend;
  const shape = [w.dim(0), w.dim(1)] as const;
  const type = isPackable(w.dtype, shape) ? w.dtype : undefined;
  const kernel = type && kernels?.quantizedProduct(type, shape, { rows: x.dim(0), threads });
  if (type === undefined || kernel === undefined)
    refuse("matmulTransposed", [x, w], "no kernel reads these packed weights");
  const inputs = [w.pointer, quantizedRows(graph, x, type), ...scratchOf(graph, kernel)];
  return graph.emit((c) =>
    emit.kernelOperation(c, {
      ...{
        name: `mul_mat ${w.dtype} ${w.dim(1)}`,
        kernel: kernel.address,
        inputs,
      },
      ...{ dtype: "f32", shape: [x.dim(0), w.dim(0)] },
    }),
  );
}

/** `x · w` of f32 rows `[R, M]` and such weights `[M, K]`, which are decoded a panel at a time: nothing is rounded. */
export function packedTransposedProduct(graph: Graph, x: Tensor, w: Tensor): Pointer {
  const { kernels, threads } = graph.backend;
  const [m, k] = [w.dim(0), w.dim(1)];
  if (kernels?.readsPacked !== true) requireReadable("matmul", w);
  if (kernels === undefined || !isPackable(w.dtype, [m, k]))
    refuse("matmul", [x, w], "no kernel decodes these packed weights");
  const { blockSize, blockBytes } = WEIGHT_FORMATS[w.dtype];
  const shape: ProductShape = {
    inner: m,
    columns: k,
    a: {
      rowStride: strideOf(x, -2),
      innerStride: strideOf(x, -1),
      batchStrides: [0, 0],
    },
    b: {
      innerStride: (k / blockSize) * blockBytes,
      columnStride: (GROUP_ROWS * blockBytes) / blockSize,
      batchStrides: [0, 0],
      packed: w.dtype,
    },
    batch: [1, 1],
    shared: [1, 1],
    rowPieces: 1,
  };
  const rows = x.dim(0);
  const pieces = rowPieces(shape, {
    rows,
    width: panelColumns(kernels.level),
    threads,
  });
  const kernel = isAddressable(shape)
    ? kernels.f32Product({ ...shape, rowPieces: pieces }, threads)
    : undefined;
  if (kernel === undefined) refuse("matmul", [x, w], "too large for the kernel");
  const inputs = [x.pointer, w.pointer, ...scratchOf(graph, kernel)];
  return graph.emit((c) =>
    emit.kernelOperation(c, {
      ...{
        name: `mul_mat f32·${w.dtype} ${m}`,
        kernel: kernel.address,
        inputs,
      },
      ...{ dtype: "f32", shape: [rows, k] },
    }),
  );
}

/** Memory that a kernel works in: none, or a tensor that lives as long as the operation. */
function scratchOf(graph: Graph, { scratchBytes }: Kernel): Pointer[] {
  if (scratchBytes === 0) return [];
  return [graph.emit((c) => emit.newTensor(c, "f32", [scratchBytes / FLOAT]))];
}

/** Rows as bytes, by the length of their blocks: all weights that read the same tensor share them. */
const rowsAsBytes = new WeakMap<Tensor, Map<number, Pointer>>();

function quantizedRows(graph: Graph, x: Tensor, type: WeightType): Pointer {
  const isDense = rowsAreDense(x);
  const k = x.dim(1);
  const rowStride = isDense ? (x.strides[0] ?? 0) : k * FLOAT;
  const kernel = graph.backend.kernels?.quantizeRows(type, k, rowStride);
  if (kernel === undefined) refuse("matmulTransposed", [x], "no kernel quantises these rows");
  const { address, block, pitch } = kernel;
  const known = rowsAsBytes.get(x) ?? new Map<number, Pointer>();
  const found = known.get(block);
  if (found !== undefined) return found;
  const rows = isDense ? x : packed(x);
  const call = { name: "quantize_rows", kernel: address, inputs: [rows.pointer] };
  const shape = [x.dim(0), pitch];
  const pointer = graph.emit((c) => emit.kernelOperation(c, { ...call, dtype: "i8", shape }));
  rowsAsBytes.set(x, known.set(block, pointer));
  return pointer;
}
