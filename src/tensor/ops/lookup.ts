/** Rows by number: reading them from a table, writing them into one. */
import { DTYPES } from "../../engine/dtypes.ts";
import { library } from "../../engine/library.ts";
import { sameShape } from "../shape.ts";
import type { Tensor } from "../tensor.ts";
import {
  graphOf,
  isDecodable,
  isEncodable,
  refuse,
  requireFloat32,
  requireInPlace,
  requireReadable,
  rowsAreDense,
} from "./check.ts";
import { fill } from "./elementwise.ts";
import { denseRows, packed, reshape } from "./layout.ts";

/**
 * Rows of a table: `[V, D]` by i32 ids `[R]` → f32 `[R, D]`.
 *
 * The ids are values and cannot be checked here: the caller makes sure that each is in 0…V−1 (ggml ends the process
 * otherwise).
 */
export function takeRows(table: Tensor, ids: Tensor): Tensor {
  const op = "takeRows";
  if (table.rank !== 2 || ids.rank !== 1 || ids.dtype !== "i32")
    refuse(op, [table, ids], "needs a table of two axes and one axis of i32 ids");
  if (!isDecodable(table.dtype)) refuse(op, [table, ids], "needs a floating or quantised table");
  requireReadable(op, table);
  const rows = denseRows(table);
  const graph = graphOf(op, [table, ids]);
  const pointer = graph.emit((c) => library().api.ggml_get_rows(c, rows.pointer, ids.pointer));
  return graph.result(pointer, {
    dtype: "f32",
    shape: [ids.dim(0), table.dim(1)],
    made: { op, inputs: [rows, ids] },
  });
}

/**
 * Writes f32 rows `[R, D]` over rows `ids` (i64 or i32 `[R]`) of a table `[S, D]`, converting them to its type.
 * The result is the table; it must be `require`d of the graph. The caller checks the ids.
 */
export function putRows(table: Tensor, values: Tensor, ids: Tensor): Tensor {
  const op = "putRows";
  const all = [table, values, ids];
  requireFloat32(op, values);
  const integers = ids.dtype === "i64" || ids.dtype === "i32";
  if (!integers || ids.rank !== 1 || values.rank !== 2 || table.rank !== 2)
    refuse(op, all, "needs [S, D], [R, D] and i64 or i32 ids [R]");
  if (table.dim(1) !== values.dim(1) || values.dim(0) !== ids.dim(0))
    refuse(op, all, "shapes do not match");
  if (!isEncodable(table.dtype)) refuse(op, all, `rows cannot become ${table.dtype}`);
  requireReadable(op, table);
  if (!rowsAreDense(table)) refuse(op, all, "the rows of the table have gaps");
  const rows = denseRows(values);
  const graph = graphOf(op, [values, ids]);
  const pointer = graph.emit((c) =>
    library().api.ggml_set_rows(c, table.pointer, rows.pointer, ids.pointer),
  );
  requireInPlace(op, graph, { pointer, inputs: all });
  return graph.result(pointer, {
    dtype: table.dtype,
    shape: table.shape,
    strides: table.strides,
    made: { op, inputs: [table, rows, ids] },
  });
}

/** The `k` largest values of each row and where they stand, in no particular order: f32 `[R, K]` → `[R, k]` both. */
export function topK(x: Tensor, k: number): { values: Tensor; ids: Tensor } {
  const op = "topK";
  requireFloat32(op, x);
  if (x.rank !== 2) refuse(op, [x], "needs rows [R, K]");
  if (!Number.isInteger(k) || k < 1 || k > x.dim(1)) refuse(op, [x], `has no ${k} largest values`);
  const rows = packed(x);
  const graph = graphOf(op, [x]);
  const made = { op, inputs: [rows] };
  const shape = [x.dim(0), k];
  const found = graph.emit((c) => library().api.ggml_top_k(c, rows.pointer, k));
  const ids = graph.result(found, { dtype: "i32", shape, made });
  const singles = packed(reshape(rows, [x.dim(0), x.dim(1), 1]));
  const values = graph.emit((c) => library().api.ggml_get_rows(c, singles.pointer, found));
  const column = graph.result(values, { dtype: "f32", shape: [...shape, 1], made });
  return { values: reshape(column, shape), ids };
}

/**
 * The `k` largest values of each row, in no particular order, and where they stand: f32 `[R, K]` → values `[R, k]` and a
 * mask `[R, K]` of exactly `k` ones a row and zeros. The mask is a choice, not a function of the values: it has no gradient.
 */
export function topKMask(x: Tensor, k: number): { mask: Tensor; values: Tensor } {
  const op = "topKMask";
  const { values, ids } = topK(x, k);
  const graph = graphOf(op, [x]);
  const [rows, width] = [x.dim(0), x.dim(1)];
  const table = packed(reshape(fill(x, 0), [rows, width, 1]));
  const ones = packed(reshape(fill(values, 1), [rows, k, 1]));
  const pointer = graph.emit((c) =>
    library().api.ggml_set_rows(c, table.pointer, ones.pointer, ids.pointer),
  );
  const made = { op, inputs: [x] };
  const written = graph.result(pointer, { dtype: "f32", shape: [rows, width, 1], made });
  return { mask: reshape(written, x.shape), values };
}

/**
 * Some neighbouring values of each row: of f32 `[R, K]`, cut into groups of `width`, the groups that i32 ids `[R]` name →
 * `[R, width]`. The caller checks the ids.
 */
export function takeAlong(x: Tensor, ids: Tensor, width = 1): Tensor {
  const op = "takeAlong";
  const { table, columns } = groupsOf(op, { x, ids, width });
  const graph = graphOf(op, [x, ids]);
  const pointer = graph.emit((c) => library().api.ggml_get_rows(c, table.pointer, columns.pointer));
  const picked = graph.result(pointer, {
    dtype: "f32",
    shape: [x.dim(0), 1, width],
    made: { op, inputs: [x, ids], settings: { width } },
  });
  return reshape(picked, [x.dim(0), width]);
}

/**
 * Writes neighbouring values into each row of a result of this graph, whose memory it takes over: into `[R, K]`, cut into
 * groups of as many values as there are in f32 `[R, width]`, at the groups that i32 ids `[R]` name → `[R, K]`. Nothing
 * else may read `x` afterwards. The caller checks the ids.
 */
export function putAlong(x: Tensor, values: Tensor, ids: Tensor): Tensor {
  const op = "putAlong";
  requireFloat32(op, x, values);
  if (values.rank !== 2 || values.dim(0) !== x.dim(0))
    refuse(op, [x, values, ids], "needs values [R, width]");
  const width = values.dim(1);
  const { table, columns } = groupsOf(op, { x, ids, width });
  const rows = packed(reshape(values, [x.dim(0), 1, width]));
  const graph = graphOf(op, [x, values, ids]);
  const pointer = graph.emit((c) =>
    library().api.ggml_set_rows(c, table.pointer, rows.pointer, columns.pointer),
  );
  const made = { op, inputs: [x, values, ids] };
  const written = graph.result(pointer, { dtype: "f32", shape: table.shape, made });
  return reshape(written, x.shape);
}

/** A table of K/width rows for each of R, and one row number for each. */
function groupsOf(
  op: string,
  { x, ids, width }: { x: Tensor; ids: Tensor; width: number },
): { table: Tensor; columns: Tensor } {
  requireFloat32(op, x);
  if (x.rank !== 2 || ids.rank !== 1 || ids.dtype !== "i32" || ids.dim(0) !== x.dim(0))
    refuse(op, [x, ids], "needs [R, K] and one i32 id for each row");
  if (!Number.isInteger(width) || width < 1 || x.dim(1) % width !== 0)
    refuse(op, [x, ids], `rows are no whole groups of ${width}`);
  return {
    table: packed(reshape(x, [x.dim(0), x.dim(1) / width, width])),
    columns: packed(reshape(ids, [x.dim(0), 1])),
  };
}

/** Copies values into a tensor that outlives the graph, converting their type; to be `require`d of the graph. */
export function assign(target: Tensor, values: Tensor): Tensor {
  const op = "assign";
  requireFloat32(op, values);
  if (target.size !== values.size) refuse(op, [target, values], "sizes differ");
  if (!isEncodable(target.dtype))
    refuse(op, [target, values], `values cannot become ${target.dtype}`);
  requireReadable(op, target);
  if (DTYPES[target.dtype].blockSize > 1 && !target.contiguous)
    refuse(op, [target, values], "a view of quantised values has gaps");
  const graph = graphOf(op, [values]);
  const source = denseRows(
    sameShape(target.shape, values.shape) ? values : reshape(values, target.shape),
  );
  const pointer = graph.emit((c) => library().api.ggml_cpy(c, source.pointer, target.pointer));
  requireInPlace(op, graph, { pointer, inputs: [target, source] });
  return graph.result(pointer, {
    dtype: target.dtype,
    shape: target.shape,
    strides: target.strides,
    made: { op, inputs: [target, source] },
  });
}
