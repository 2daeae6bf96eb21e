/** Operations that copy values into another arrangement, or another type: transpose, repeat, concatenate, pad, cast. */
import { DTYPES, isQuantized, type DType } from "../../engine/dtypes.ts";
import * as emit from "../../engine/emit.ts";
import { library } from "../../engine/library.ts";
import {
  assertShape,
  broadcastsTo,
  formatShape,
  normalizeAxis,
  sameShape,
  type Shape,
} from "../shape.ts";
import type { Tensor } from "../tensor.ts";
import { graphOf, isDecodable, refuse, requireFloat32, requireReadable } from "./check.ts";
import { contiguous, denseRows, packed, permute, reshape, transpose } from "./layout.ts";

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
  const { api } = library();
  // Made by an operation: memory for tensors that none makes is set aside before all others, and full of gaps afterwards.
  const numbers = graph.emit((c) => api.ggml_arange(c, 0, width, 1));
  const ones = graph.emit((c) => api.ggml_fill_inplace(c, numbers, 1)); // [1, width]
  const row = reshape(x, [1, x.size]);
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
