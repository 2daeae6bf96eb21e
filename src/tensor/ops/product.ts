/**
 * Matrix products. ggml's own product is `a · bᵀ`: rows of both operands are read side by side. Kernels of our own take f32
 * operands in any arrangement, so that nothing is transposed for them.
 */
import type { Backend } from "../../engine/backend.ts";
import { DTYPES, type DType } from "../../engine/dtypes.ts";
import * as emit from "../../engine/emit.ts";
import { library } from "../../engine/library.ts";
import { sameShape } from "../shape.ts";
import type { Tensor } from "../tensor.ts";
import { graphOf, isDecodable, refuse, requireFloat32, rowsAreDense } from "./check.ts";
import { pad, transposedCopy } from "./copy.ts";
import { add } from "./elementwise.ts";
import { contiguous, packed, reshape, slice, transpose } from "./layout.ts";
import {
  kernelProduct,
  packedProduct,
  packedTransposedProduct,
  readsTransposedViews,
} from "./product-kernel.ts";

/**
 * `x · wᵀ`.
 *
 * @param x - f32 `[..., T, K]`
 * @param w - any floating or quantised type, `[..., M, K]`; each matrix of a leading axis of `w` serves as many
 *   neighbouring ones of `x` as fit (shared keys of grouped heads)
 * @returns f32 `[..., T, M]`
 */
export function matmulTransposed(x: Tensor, w: Tensor): Tensor {
  const op = "matmulTransposed";
  if (x.dtype !== "f32") refuse(op, [x, w], "the first operand must be f32");
  if (!isDecodable(w.dtype)) refuse(op, [x, w], `${w.dtype} values have no product`);
  if (x.rank < 2 || w.rank < 2 || w.rank > x.rank)
    refuse(op, [x, w], "needs two or more axes each");
  if (x.dim(-1) !== w.dim(-1)) refuse(op, [x, w], "rows differ in length");
  const batch = x.shape.slice(0, -2);
  if (w.rank === 2 && batch.length > 0) {
    // One large product instead of many small ones.
    const rows = matmulTransposed(reshape(x, [-1, x.dim(-1)]), w);
    return reshape(rows, [...batch, x.dim(-2), w.dim(0)]);
  }
  const fits = w.shape
    .slice(0, -2)
    .every((n, i) => (batch[batch.length - (w.rank - 2) + i] ?? 0) % n === 0);
  if (!fits) refuse(op, [x, w], "leading axes do not stretch");
  const graph = graphOf(op, [x, w]);
  const rows = x.dim(-2);
  if (roundsToTf32(graph.backend, { rows, dtype: w.dtype })) {
    const more = pad(x, { axis: -2, after: TF32_ROWS + 1 - rows });
    return contiguous(slice(matmulTransposed(more, w), { axis: -2, start: 0, length: rows }));
  }
  const shape = [...batch, rows, w.dim(-2)];
  const own = w.interleaved ? packedProduct(graph, x, w) : kernelProduct(graph, x, w);
  if (own !== undefined)
    return graph.result(own, { dtype: "f32", shape, made: { op, inputs: [x, w] } });
  const a = viewable(w) ? w : packed(w);
  // Between f32 operands ggml is fast where the first is contiguous; other types convert it on the way.
  const b = rowsAreDense(x) && (x.contiguous || w.dtype !== "f32") ? x : packed(x);
  const pointer = graph.emit((c) => emit.product(c, a.pointer, b.pointer));
  return graph.result(pointer, { dtype: "f32", shape, made: { op, inputs: [b, a] } });
}

const TF32_ROWS = 16;

/** Whether ggml's CUDA product keeps ten bits of f32 values, as it does for 4 to 16 rows (`mmf.cu`); it has no switch for that. */
function roundsToTf32(
  { device }: Backend,
  { rows, dtype }: { rows: number; dtype: DType },
): boolean {
  return device.kind === "cuda" && dtype === "f32" && rows > 3 && rows <= TF32_ROWS;
}

/** Rows dense and not transposed: what ggml's product reads without a copy. */
function viewable(t: Tensor): boolean {
  return rowsAreDense(t) && (t.strides.at(-2) ?? 0) >= DTYPES[t.dtype].blockBytes;
}

/**
 * `a · b`: `[..., T, K] · [..., K, M]` → `[..., T, M]`. Both are f32, or `b` is a matrix of quantised weights that were packed
 * for our kernels.
 */
export function matmul(a: Tensor, b: Tensor): Tensor {
  if (b.interleaved) return matmulPacked(a, b);
  requireFloat32("matmul", a, b);
  return matmulTransposed(a, transposedOperand(b, a));
}

/** A product of gradients, which have no derivative in their turn. */
function matmulPacked(a: Tensor, w: Tensor): Tensor {
  const op = "matmulPacked";
  requireFloat32(op, a);
  if (a.rank < 2 || a.dim(-1) !== w.dim(0)) refuse(op, [a, w], "inner sizes differ");
  if (a.rank > 2) {
    const rows = matmulPacked(reshape(a, [-1, a.dim(-1)]), w);
    return reshape(rows, [...a.shape.slice(0, -1), w.dim(1)]);
  }
  const graph = graphOf(op, [a, w]);
  const pointer = packedTransposedProduct(graph, a, w);
  const shape = [a.dim(0), w.dim(1)];
  return graph.result(pointer, { dtype: "f32", shape, made: { op, inputs: [a, w] } });
}

/** An operand with its last two axes exchanged, for a product in a graph: a view where the product reads views, else a copy. */
export function transposedOperand(x: Tensor, ...others: readonly Tensor[]): Tensor {
  const graph = graphOf("transpose", [x, ...others]);
  const joined = x.graph === undefined ? graph.use(x) : x;
  const readsViews = x.dtype === "f32" && readsTransposedViews(joined);
  return readsViews ? transpose(joined) : transposedCopy(joined);
}

/**
 * `aᵀ · b`, both f32: `[..., R, M]` and `[..., R, K]` → `[..., M, K]`; the gradient of a weight is one. Copies neither.
 */
export function outerProduct(a: Tensor, b: Tensor): Tensor {
  const op = "outerProduct";
  requireFloat32(op, a, b);
  if (a.rank < 2 || a.rank !== b.rank || !sameShape(a.shape.slice(0, -1), b.shape.slice(0, -1)))
    refuse(op, [a, b], "needs the same rows in both");
  const graph = graphOf(op, [a, b]);
  const shape = [...a.shape.slice(0, -2), a.dim(-1), b.dim(-1)];
  if (readsTransposedViews(a, b)) {
    const [x, w] = [transposedOperand(a, b), transposedOperand(b, a)];
    const own = kernelProduct(graph, x, w);
    if (own !== undefined)
      return graph.result(own, { dtype: "f32", shape, made: { op, inputs: [a, b] } });
  }
  const rows = viewable(b) ? b : packed(b);
  const pointer = graph.emit((c) => library().api.ggml_out_prod(c, rows.pointer, a.pointer));
  return graph.result(pointer, { dtype: "f32", shape, made: { op, inputs: [a, rows] } });
}

/** A linear layer, `x · wᵀ + bias`: `[..., K]` → `[..., M]` with `w` `[M, K]` and `bias` `[M]`. */
export function linear(x: Tensor, w: Tensor, bias?: Tensor): Tensor {
  const y = matmulTransposed(x, w);
  return bias === undefined ? y : add(y, bias);
}
