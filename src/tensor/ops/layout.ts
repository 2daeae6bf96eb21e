/** Operations that move values without changing them: reshape, slice, permute, repeat, concatenate, pad, cast. */
import * as emit from "../../engine/emit.ts";
import { library } from "../../engine/library.ts";
import { DTYPES, isQuantized, type DType } from "../../engine/dtypes.ts";
import {
  assertShape,
  broadcastsTo,
  elementCount,
  formatShape,
  normalizeAxis,
  reshapedStrides,
  sameShape,
  type Shape,
} from "../shape.ts";
import type { Tensor } from "../tensor.ts";
import {
  graphOf,
  isDecodable,
  isPacked,
  refuse,
  requireFloat32,
  requireReadable,
  rowsAreDense,
} from "./check.ts";

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

/** Rows of this many bytes or more lie so far apart that a column of them falls into few sets of a cache. */
const WIDE_ROW_BYTES = 1024;
const BLOCK_ROWS = [128, 64, 32];

/**
 * A copy with the last two axes exchanged: `[..., R, K]` → `[..., K, R]`. Wide rows are turned in blocks of rows first,
 * which then move as they are: four times as fast as column by column.
 */
export function transposedCopy(x: Tensor): Tensor {
  const turned = transpose(x);
  const [rows, columns] = [x.dim(-2), x.dim(-1)];
  const block = BLOCK_ROWS.find((n) => rows % n === 0 && rows > n);
  const wide = columns * DTYPES[x.dtype].blockBytes >= WIDE_ROW_BYTES;
  if (turned.contiguous || !x.contiguous || x.rank > 3 || block === undefined || !wide)
    return packed(turned);
  const lead = x.shape.slice(0, -2);
  const axes = (...last: number[]): number[] => [
    ...lead.keys(),
    ...last.map((i) => i + lead.length),
  ];
  const blocks = reshape(x, [...lead, rows / block, block, columns]); // [..., R/n, n, K]
  const turnedBlocks = contiguous(permute(blocks, axes(0, 2, 1))); // [..., R/n, K, n]
  const inOrder = contiguous(permute(turnedBlocks, axes(1, 0, 2))); // [..., K, R/n, n]
  return reshape(inOrder, [...lead, columns, rows]);
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

/** Stretches axes of size 1 (and adds leading axes) to `shape`. */
export function broadcastTo(x: Tensor, shape: Shape): Tensor {
  assertShape(shape);
  if (sameShape(x.shape, shape)) return x;
  requireFloat32("broadcastTo", x);
  if (!broadcastsTo(x.shape, shape))
    refuse("broadcastTo", [x], `does not fit ${formatShape(shape)}`);
  const width = shape.at(-1) ?? 1;
  if (x.dim(-1) === width) {
    const dense = denseRows(x);
    const graph = graphOf("broadcastTo", [x]);
    const pointer = graph.emit((c) => emit.repeat(c, dense.pointer, shape));
    const made = { op: "broadcastTo", inputs: [dense] };
    return graph.result(pointer, { dtype: "f32", shape, made });
  }
  const column = [...shape.slice(0, -1), 1];
  if (!sameShape(x.shape, column)) return broadcastTo(broadcastTo(x, column), shape);
  return reshape(stretchColumn(reshape(contiguous(x), [x.size, 1]), width), shape);
}

/**
 * `[R, 1]` → `[R, width]`, as an outer product with ones: ggml's own repetition, and its sums and products with a
 * stretched last axis, go value by value and take four times as long.
 */
function stretchColumn(x: Tensor, width: number): Tensor {
  const graph = graphOf("broadcastTo", [x]);
  const blank = graph.emit((c) => emit.newTensor(c, "f32", [1, width]));
  const ones = graph.emit((c) => library().api.ggml_fill(c, blank, 1));
  const row = relabel(x, [1, x.size]);
  const pointer = graph.emit((c) => library().api.ggml_out_prod(c, ones, row.pointer));
  const made = { op: "broadcastTo", inputs: [x] };
  return graph.result(pointer, { dtype: "f32", shape: [x.size, width], made });
}

/** Joins two tensors along an axis. */
export function concat(a: Tensor, b: Tensor, { axis }: { axis: number }): Tensor {
  requireFloat32("concat", a, b);
  const at = normalizeAxis(axis, a.rank);
  if (a.rank !== b.rank || a.shape.some((n, i) => i !== at && n !== b.shape[i]))
    refuse("concat", [a, b], `shapes differ outside axis ${axis}`);
  const shape = a.shape.map((n, i) => (i === at ? n + b.dim(at) : n));
  assertShape(shape);
  const graph = graphOf("concat", [a, b]);
  const pointer = graph.emit((c) =>
    emit.concat(c, a.pointer, b.pointer, { axis: at, rank: a.rank }),
  );
  return graph.result(pointer, {
    dtype: "f32",
    shape,
    made: { op: "concat", inputs: [a, b], settings: { axis: at } },
  });
}

/** Puts zeros before and after the values along an axis. */
export function pad(
  x: Tensor,
  { axis, before = 0, after = 0 }: { axis: number; before?: number; after?: number },
): Tensor {
  requireFloat32("pad", x);
  const at = normalizeAxis(axis, x.rank);
  for (const amount of [before, after])
    if (!Number.isInteger(amount) || amount < 0) refuse("pad", [x], `cannot add ${amount} zeros`);
  if (before + after === 0) return x;
  const shape = x.shape.map((n, i) => (i === at ? n + before + after : n));
  assertShape(shape);
  const only = (amount: number): number[] => x.shape.map((_, i) => (i === at ? amount : 0));
  const graph = graphOf("pad", [x]);
  const pointer = graph.emit((c) =>
    emit.pad(c, x.pointer, { before: only(before), after: only(after) }),
  );
  return graph.result(pointer, {
    dtype: "f32",
    shape,
    made: { op: "pad", inputs: [x], settings: { axis: at, before } },
  });
}

/** Appends `amount` zeros at the end of an axis. */
export function padEnd(x: Tensor, { axis, amount }: { axis: number; amount: number }): Tensor {
  return pad(x, { axis, after: amount });
}

/** The values as another floating type. */
export function cast(x: Tensor, dtype: DType): Tensor {
  if (x.dtype === dtype) return x;
  const floating: readonly DType[] = ["f32", "f16", "bf16"];
  if (!floating.includes(dtype) || !isDecodable(x.dtype))
    refuse("cast", [x], `cannot become ${dtype}`);
  requireReadable("cast", x);
  // ggml decodes quantised values to f32 only.
  if (isQuantized(x.dtype) && dtype !== "f32") return cast(cast(x, "f32"), dtype);
  const graph = graphOf("cast", [x]);
  const pointer = graph.emit((c) => emit.cast(c, x.pointer, dtype));
  return graph.result(pointer, { dtype, shape: x.shape, made: { op: "cast", inputs: [x] } });
}
