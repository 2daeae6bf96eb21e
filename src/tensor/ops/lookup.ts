/** Rows by number: reading them from a table, writing them into one. */
import { library } from "../../engine/library.ts";
import type { Tensor } from "../tensor.ts";
import { graphOf, refuse, requireFloat32, rowsAreDense } from "./check.ts";
import { contiguous } from "./layout.ts";

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
  if (table.dtype === "i32" || table.dtype === "i64")
    refuse(op, [table, ids], "needs a float table");
  const rows = rowsAreDense(table) ? table : contiguous(table);
  const graph = graphOf(op, [table, ids]);
  const pointer = graph.emit((c) => library().api.ggml_get_rows(c, rows.pointer, ids.pointer));
  return graph.result(pointer, {
    dtype: "f32",
    shape: [ids.dim(0), table.dim(1)],
    made: { op, inputs: [rows, ids] },
  });
}

/**
 * Writes f32 rows `[R, D]` over rows `ids` (i64 `[R]`) of a table `[S, D]` of any type, converting them.
 * The result must be `require`d of the graph: nothing else may depend on it. The caller checks the ids.
 */
export function putRows(table: Tensor, values: Tensor, ids: Tensor): Tensor {
  const op = "putRows";
  requireFloat32(op, values);
  if (ids.dtype !== "i64" || ids.rank !== 1 || values.rank !== 2 || table.rank !== 2)
    refuse(op, [table, values, ids], "needs [S, D], [R, D] and i64 ids [R]");
  if (table.dim(1) !== values.dim(1) || values.dim(0) !== ids.dim(0))
    refuse(op, [table, values, ids], "shapes do not match");
  if (!table.contiguous) refuse(op, [table, values, ids], "the table has gaps");
  const rows = rowsAreDense(values) ? values : contiguous(values);
  const graph = graphOf(op, [values, ids]);
  const pointer = graph.emit((c) =>
    library().api.ggml_set_rows(c, table.pointer, rows.pointer, ids.pointer),
  );
  return graph.result(pointer, {
    dtype: table.dtype,
    shape: table.shape,
    made: { op, inputs: [table, rows, ids] },
  });
}

/** Copies values into a tensor that outlives the graph, converting their type; to be `require`d of the graph. */
export function assign(target: Tensor, values: Tensor): Tensor {
  requireFloat32("assign", values);
  if (target.size !== values.size) refuse("assign", [target, values], "sizes differ");
  const graph = graphOf("assign", [values]);
  const dense = contiguous(values);
  const pointer = graph.emit((c) => library().api.ggml_cpy(c, dense.pointer, target.pointer));
  return graph.result(pointer, {
    dtype: target.dtype,
    shape: target.shape,
    strides: target.strides,
    made: { op: "assign", inputs: [target, dense] },
  });
}
