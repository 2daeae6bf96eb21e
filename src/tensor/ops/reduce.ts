/** Sums, means and largest positions. */
import { library } from "../../engine/library.ts";
import { newTensor } from "../../engine/emit.ts";
import { broadcastsTo, formatShape, sameShape, type Shape } from "../shape.ts";
import type { Tensor } from "../tensor.ts";
import { graphOf, refuse, requireFloat32 } from "./check.ts";
import { denseRows, reshape } from "./layout.ts";

function reduce(
  op: "sumLast" | "meanLast" | "sumAll",
  call: "ggml_sum_rows" | "ggml_mean" | "ggml_sum",
  x: Tensor,
  shape: Shape,
): Tensor {
  requireFloat32(op, x);
  const dense = denseRows(x);
  const graph = graphOf(op, [x]);
  const pointer = graph.emit((c) => library().api[call](c, dense.pointer));
  return graph.result(pointer, { dtype: "f32", shape, made: { op, inputs: [dense] } });
}

/** Sum over the last axis, kept with size 1: `[..., K]` → `[..., 1]`. */
export function sumLast(x: Tensor): Tensor {
  return reduce("sumLast", "ggml_sum_rows", x, [...x.shape.slice(0, -1), 1]);
}

/** Mean over the last axis, kept with size 1: `[..., K]` → `[..., 1]`. */
export function meanLast(x: Tensor): Tensor {
  return reduce("meanLast", "ggml_mean", x, [...x.shape.slice(0, -1), 1]);
}

/** Sum of all values: `[1]`. */
export function sumAll(x: Tensor): Tensor {
  return reduce("sumAll", "ggml_sum", x, [1]);
}

/** Sums over the axes along which `shape` would be stretched to that of `x`: what `broadcastTo` did, backwards. */
export function sumTo(x: Tensor, shape: Shape): Tensor {
  requireFloat32("sumTo", x);
  if (sameShape(x.shape, shape)) return x;
  if (!broadcastsTo(shape, x.shape)) refuse("sumTo", [x], `${formatShape(shape)} does not stretch`);
  // ggml's sum over repeats goes value by value along the last axis.
  if (shape.at(-1) === 1 && x.dim(-1) > 1) return sumTo(sumLast(x), shape);
  const full = [...x.shape.slice(0, x.rank - shape.length).fill(1), ...shape];
  if (sameShape(x.shape, full)) return reshape(x, shape);
  const dense = denseRows(x);
  const graph = graphOf("sumTo", [x]);
  const like = graph.emit((c) => newTensor(c, "f32", full)); // never computed: ggml asks for its shape
  const pointer = graph.emit((c) => library().api.ggml_repeat_back(c, dense.pointer, like));
  const made = { op: "sumTo", inputs: [dense] };
  return reshape(graph.result(pointer, { dtype: "f32", shape: full, made }), shape);
}

/** Position of the largest value of each row, as i32: `[..., K]` → `[...]` (`[K]` → `[1]`). */
export function argmax(x: Tensor): Tensor {
  requireFloat32("argmax", x);
  const rows = denseRows(reshape(x, [-1, x.dim(-1)]));
  const graph = graphOf("argmax", [x]);
  const pointer = graph.emit((c) => library().api.ggml_argmax(c, rows.pointer));
  const flat = graph.result(pointer, {
    dtype: "i32",
    shape: [rows.dim(0)],
    made: { op: "argmax", inputs: [rows] },
  });
  return x.rank <= 2 ? flat : reshape(flat, x.shape.slice(0, -1));
}
