/** Matrix products. ggml's own product is `a · bᵀ`: rows of both operands are read side by side. */
import { DTYPES, isQuantized, type DType } from "../../engine/dtypes.ts";
import * as emit from "../../engine/emit.ts";
import type { Tensor } from "../tensor.ts";
import { graphOf, refuse, requireFloat32, rowsAreDense } from "./check.ts";
import { add } from "./elementwise.ts";
import { contiguous, transpose } from "./layout.ts";

/** Types that are stored but have no product of their own in ggml. */
const WITHOUT_PRODUCT: readonly DType[] = ["f64", "i8", "i16", "i32", "i64", "q8_1", "q8_k"];

/**
 * `x · wᵀ`.
 *
 * @param x - f32 `[..., T, K]`
 * @param w - any floating or quantised type, `[..., M, K]`; its leading axes are stretched to those of `x`
 * @returns f32 `[..., T, M]`
 */
export function matmulTransposed(x: Tensor, w: Tensor): Tensor {
  const op = "matmulTransposed";
  if (x.dtype !== "f32") refuse(op, [x, w], "the first operand must be f32");
  if (WITHOUT_PRODUCT.includes(w.dtype)) refuse(op, [x, w], `${w.dtype} values have no product`);
  if (x.rank < 2 || w.rank < 2 || w.rank > x.rank)
    refuse(op, [x, w], "needs two or more axes each");
  if (x.dim(-1) !== w.dim(-1)) refuse(op, [x, w], "rows differ in length");
  const batch = x.shape.slice(0, -2);
  const fits = w.shape.slice(0, -2).every((n, i) => {
    const size = batch[batch.length - (w.rank - 2) + i] ?? 0;
    return size % n === 0;
  });
  if (!fits) refuse(op, [x, w], "leading axes do not stretch");
  if (!rowsAreDense(w) && isQuantized(w.dtype)) refuse(op, [x, w], "quantised rows have gaps");
  const a = viewable(w) ? w : contiguous(w);
  const b = viewable(x) ? x : contiguous(x);
  const graph = graphOf(op, [x, w]);
  const pointer = graph.emit((c) => emit.product(c, a.pointer, b.pointer));
  return graph.result(pointer, {
    dtype: "f32",
    shape: [...batch, x.dim(-2), w.dim(-2)],
    made: { op, inputs: [b, a] },
  });
}

/** Rows dense and not transposed: what ggml's product reads without a copy. */
function viewable(t: Tensor): boolean {
  const element = DTYPES[t.dtype].blockBytes;
  const rowStride = t.strides.at(-2) ?? 0;
  return rowsAreDense(t) && t.strides.at(-1) === element && rowStride >= element;
}

/** `a · b`, both f32: `[..., T, K] · [..., K, M]` → `[..., T, M]`. Copies `b` transposed. */
export function matmul(a: Tensor, b: Tensor): Tensor {
  requireFloat32("matmul", a, b);
  return matmulTransposed(a, contiguous(transpose(b)));
}

/** A linear layer, `x · wᵀ + bias`: `[..., K]` → `[..., M]` with `w` `[M, K]` and `bias` `[M]`. */
export function linear(x: Tensor, w: Tensor, bias?: Tensor): Tensor {
  const y = matmulTransposed(x, w);
  return bias === undefined ? y : add(y, bias);
}
