/** ggml's fused derivatives: what comes back through an operation, from what came back to its result (`dy`). */
import { newTensor } from "../../engine/emit.ts";
import { library } from "../../engine/library.ts";
import { assertShape, sameShape } from "../shape.ts";
import type { Tensor } from "../tensor.ts";
import { graphOf, refuse, requireFloat32 } from "./check.ts";
import { scale as scaled } from "./elementwise.ts";
import { contiguous, denseRows, packed } from "./layout.ts";

function requireSame(op: string, a: Tensor, b: Tensor): void {
  requireFloat32(op, a, b);
  if (!sameShape(a.shape, b.shape)) refuse(op, [a, b], "shapes differ");
}

/** Through `silu`, of its input `x`. */
export function siluBackward(dy: Tensor, x: Tensor): Tensor {
  const op = "siluBackward";
  requireSame(op, dy, x);
  const inputs = [packed(dy), packed(x)] as const;
  const graph = graphOf(op, inputs);
  const pointer = graph.emit((c) =>
    library().api.ggml_silu_back(c, inputs[0].pointer, inputs[1].pointer),
  );
  return graph.result(pointer, { dtype: "f32", shape: x.shape, made: { op, inputs } });
}

/** Through `softmax` with `scale`, of its result `y`. */
export function softmaxBackward(dy: Tensor, y: Tensor, scale: number): Tensor {
  const op = "softmaxBackward";
  requireSame(op, dy, y);
  // A value that nothing else reads: ggml puts the result where it lies. Where others read `dy`, it would take y's place,
  // and write over y before it has read it.
  const inputs = [scaled(contiguous(dy), scale), contiguous(y)] as const;
  const graph = graphOf(op, inputs);
  const pointer = graph.emit((c) =>
    library().api.ggml_soft_max_ext_back(c, inputs[0].pointer, inputs[1].pointer, 1, 0),
  );
  return graph.result(pointer, { dtype: "f32", shape: y.shape, made: { op, inputs } });
}

/** Through the normalisation of `rmsNorm`, of its input `x`. */
export function rmsNormalizeBackward(dy: Tensor, x: Tensor, eps: number): Tensor {
  const op = "rmsNormalizeBackward";
  requireSame(op, dy, x);
  if (!(eps >= 0 && eps < Infinity)) refuse(op, [dy, x], `eps is ${eps}`);
  const inputs = [denseRows(dy), denseRows(x)] as const;
  const graph = graphOf(op, inputs);
  const pointer = graph.emit((c) =>
    library().api.ggml_rms_norm_back(c, inputs[0].pointer, inputs[1].pointer, eps),
  );
  return graph.result(pointer, { dtype: "f32", shape: x.shape, made: { op, inputs } });
}

/** Through `takeRows` to a table of `rows` rows: `[R, D]` and i32 ids `[R]` → `[rows, D]`, adding up repeated ids. */
export function takeRowsBackward(dy: Tensor, ids: Tensor, rows: number): Tensor {
  const op = "takeRowsBackward";
  requireFloat32(op, dy);
  if (dy.rank !== 2 || ids.rank !== 1 || ids.dtype !== "i32" || ids.dim(0) !== dy.dim(0))
    refuse(op, [dy, ids], "needs [R, D] and one i32 id for each row");
  const shape = [rows, dy.dim(1)];
  assertShape(shape);
  const inputs = [denseRows(dy), contiguous(ids)] as const;
  const graph = graphOf(op, inputs);
  const table = graph.emit((c) => newTensor(c, "f32", shape)); // never computed: ggml asks for its shape
  const pointer = graph.emit((c) =>
    library().api.ggml_get_rows_back(c, inputs[0].pointer, inputs[1].pointer, table),
  );
  return graph.result(pointer, { dtype: "f32", shape, made: { op, inputs } });
}
