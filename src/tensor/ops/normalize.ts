/** Normalisation of rows. */
import { library } from "../../engine/library.ts";
import type { Tensor } from "../tensor.ts";
import { graphOf, refuse, requireFloat32 } from "./check.ts";
import { add, mul } from "./elementwise.ts";
import { denseRows } from "./layout.ts";

function normalizeRows(op: "standardize" | "rmsNormalize", x: Tensor, eps: number): Tensor {
  requireFloat32(op, x);
  if (!(eps >= 0 && eps < Infinity)) refuse(op, [x], `eps is ${eps}`);
  const dense = denseRows(x);
  const graph = graphOf(op, [x]);
  const call = op === "standardize" ? "ggml_norm" : "ggml_rms_norm";
  const pointer = graph.emit((c) => library().api[call](c, dense.pointer, eps));
  return graph.result(pointer, {
    dtype: "f32",
    shape: x.shape,
    made: { op, inputs: [dense], settings: { eps } },
  });
}

/** (x − mean) / √(variance + eps) over the last axis. */
export function standardize(x: Tensor, eps: number): Tensor {
  return normalizeRows("standardize", x, eps);
}

/** LayerNorm over the last axis, Ba et al. 2016 (arXiv 1607.06450): `weight`, `bias` of `[D]`. */
export function layerNorm(
  x: Tensor,
  { weight, bias, eps }: { weight: Tensor; bias: Tensor; eps: number },
): Tensor {
  return add(mul(standardize(x, eps), weight), bias);
}

/** x / √(mean of x² + eps) over the last axis. */
export function rmsNormalize(x: Tensor, eps: number): Tensor {
  return normalizeRows("rmsNormalize", x, eps);
}

/** RMSNorm over the last axis, Zhang & Sennrich 2019 (arXiv 1910.07467): `weight` of `[D]`. */
export function rmsNorm(x: Tensor, { weight, eps }: { weight: Tensor; eps: number }): Tensor {
  return mul(rmsNormalize(x, eps), weight);
}
