/** Views: the same values under another shape, order or window; and copies that put a view's values in a row. */
import { DTYPES, isQuantized } from "../../engine/dtypes.ts";
import * as emit from "../../engine/emit.ts";
import { library } from "../../engine/library.ts";
import {
  assertShape,
  elementCount,
  formatShape,
  normalizeAxis,
  reshapedStrides,
  sameShape,
  type Shape,
} from "../shape.ts";
import type { Tensor } from "../tensor.ts";
import { graphOf, isPacked, refuse, requireReadable, rowsAreDense } from "./check.ts";

/** The same values, one after another in memory; `x` itself where they already are. */
export function contiguous(x: Tensor): Tensor {
  if (x.contiguous) return x;
  if (isQuantized(x.dtype)) refuse("contiguous", [x], "cannot copy a view of quantised values");
  const graph = graphOf("contiguous", [x]);
  const pointer = graph.emit((c) => library().api.ggml_cont(c, x.pointer));
  return graph.result(pointer, {
    dtype: x.dtype,
    shape: x.shape,
    made: { op: "contiguous", inputs: [x] },
  });
}

/**
 * Like `contiguous`, and with the strides of a fresh tensor also along axes of size 1, where a view may have others.
 * ggml's kernels assert them, although they never use them.
 */
export function packed(x: Tensor): Tensor {
  const dense = contiguous(x);
  return isPacked(dense) ? dense : relabel(dense, x.shape);
}

/** `x` with the values of each row side by side: itself where they are, else a copy. */
export function denseRows(x: Tensor): Tensor {
  return rowsAreDense(x) ? x : packed(x);
}

/** A header of its own on contiguous values. */
function relabel(x: Tensor, shape: Shape): Tensor {
  const graph = graphOf("reshape", [x]);
  const pointer = graph.emit((c) => emit.reshape(c, x.pointer, shape));
  return graph.result(pointer, { dtype: x.dtype, shape, made: { op: "reshape", inputs: [x] } });
}

/** The same values under another shape of equal size; one axis may be -1. */
export function reshape(x: Tensor, shape: Shape): Tensor {
  const known = elementCount(shape.filter((n) => n !== -1));
  const target = shape.map((n) => (n === -1 ? x.size / known : n));
  assertShape(target);
  if (elementCount(target) !== x.size)
    refuse("reshape", [x], `has ${x.size} values, ${formatShape(shape)} does not`);
  if (sameShape(x.shape, target)) return x;
  requireReadable("reshape", x);
  if ((target.at(-1) ?? 1) % DTYPES[x.dtype].blockSize !== 0)
    refuse("reshape", [x], `rows of ${x.dtype} values must stay whole blocks`);
  if (!x.contiguous && !isQuantized(x.dtype)) {
    const strides = reshapedStrides(x, target);
    if (strides?.at(-1) === DTYPES[x.dtype].blockBytes) {
      const graph = graphOf("reshape", [x]);
      const pointer = graph.emit((c) =>
        emit.view(c, x.pointer, { shape: target, strides, offset: 0 }),
      );
      const made = { op: "reshape", inputs: [x] };
      return graph.result(pointer, { dtype: x.dtype, shape: target, strides, made });
    }
  }
  return relabel(contiguous(x), target);
}

/** Axes in another order: axis `i` of the result is axis `axes[i]` of `x`. A view. */
export function permute(x: Tensor, axes: readonly number[]): Tensor {
  const sorted = [...axes].sort((a, b) => a - b);
  if (axes.length !== x.rank || sorted.some((axis, i) => axis !== i))
    refuse("permute", [x], `${formatShape(axes)} is no order of its axes`);
  requireReadable("permute", x);
  if (isQuantized(x.dtype) && axes.at(-1) !== x.rank - 1)
    refuse("permute", [x], "rows of quantised values stay rows");
  // ggml's permute passes strides through 32-bit integers.
  if (x.shape.some((n, i) => n > 1 && (x.strides[i] ?? 0) >= 2 ** 31))
    refuse("permute", [x], "neighbours are 2 GiB or more apart");
  const graph = graphOf("permute", [x]);
  const pointer = graph.emit((c) => emit.permute(c, x.pointer, axes));
  return graph.result(pointer, {
    dtype: x.dtype,
    shape: axes.map((axis) => x.dim(axis)),
    strides: axes.map((axis) => x.strides[axis] ?? 0),
    made: { op: "permute", inputs: [x], settings: { axes } },
  });
}

/** Exchanges the last two axes. A view. */
export function transpose(x: Tensor): Tensor {
  if (x.rank < 2) refuse("transpose", [x], "needs at least two axes");
  const axes = x.shape.map((_, i) => i);
  axes.splice(x.rank - 2, 2, x.rank - 1, x.rank - 2);
  return permute(x, axes);
}

/** `x[..., start : start + length, ...]` along one axis. A view. */
export function slice(
  x: Tensor,
  { axis, start, length }: { axis: number; start: number; length: number },
): Tensor {
  const at = normalizeAxis(axis, x.rank);
  const inside =
    Number.isInteger(start) && start >= 0 && length >= 1 && start + length <= x.dim(at);
  if (!inside || !Number.isInteger(length))
    refuse("slice", [x], `has no range ${start}…${start + length} on axis ${axis}`);
  const { blockSize } = DTYPES[x.dtype];
  if (at === x.rank - 1 && (start % blockSize !== 0 || length % blockSize !== 0))
    refuse("slice", [x], `a range of quantised values must be whole blocks of ${blockSize}`);
  requireReadable("slice", x);
  if (start === 0 && length === x.dim(at)) return x;
  const element = DTYPES[x.dtype].blockBytes;
  const denseAxis = x.strides.indexOf(element);
  if (!rowsAreDense(x)) {
    // A view's last axis is dense in ggml: bring the dense axis there, and back.
    if (denseAxis === -1) return slice(packed(x), { axis, start, length });
    const others = x.shape.map((_, i) => i).filter((i) => i !== denseAxis);
    const order = [...others, denseAxis];
    const turned = slice(permute(x, order), { axis: order.indexOf(at), start, length });
    return permute(turned, invertAxes(order));
  }
  const graph = graphOf("slice", [x]);
  const shape = x.shape.map((n, i) => (i === at ? length : n));
  const step = x.strides[at] ?? 0;
  const offset = at === x.rank - 1 ? (start / blockSize) * step : start * step;
  const pointer = graph.emit((c) => emit.view(c, x.pointer, { shape, strides: x.strides, offset }));
  return graph.result(pointer, {
    dtype: x.dtype,
    shape,
    strides: x.strides,
    made: { op: "slice", inputs: [x], settings: { axis: at, start, length } },
  });
}

/** The order of axes that undoes `permute(x, axes)`. */
export function invertAxes(axes: readonly number[]): number[] {
  return axes.map((_, i) => axes.indexOf(i));
}
