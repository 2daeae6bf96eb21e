/** Operations on each value: sums and products with broadcasting, and functions of one value. All in f32. */
import type { FunctionName } from "../../engine/api.ts";
import { library } from "../../engine/library.ts";
import { broadcastShapes, sameShape, type Shape } from "../shape.ts";
import type { Tensor } from "../tensor.ts";
import { graphOf, refuse, requireFinite, requireFloat32 } from "./check.ts";
import { broadcastTo } from "./copy.ts";
import { contiguous, denseRows, packed } from "./layout.ts";
import { rowOperation } from "./row-kernel.ts";

type Binary = "add" | "sub" | "mul" | "div";

function binary(op: Binary, a: Tensor, b: Tensor): Tensor {
  requireFloat32(op, a, b);
  const shape = broadcastShapes(a.shape, b.shape);
  if (shape === undefined) refuse(op, [a, b], "shapes do not broadcast");
  // ggml stretches its second operand only.
  if (!sameShape(a.shape, shape)) {
    const commutes = op === "add" || op === "mul";
    if (commutes && sameShape(b.shape, shape)) return binary(op, b, a);
    return binary(op, broadcastTo(a, shape), b);
  }
  const x = denseRows(a);
  const y = stretchesSlowly(b, shape)
    ? broadcastTo(b, [...b.shape.slice(0, -1), a.dim(-1)])
    : denseRows(b);
  const graph = graphOf(op, [x, y]);
  const pointer = graph.emit((c) => library().api[`ggml_${op}`](c, x.pointer, y.pointer));
  return graph.result(pointer, { dtype: "f32", shape, made: { op, inputs: [x, y] } });
}

/** ggml combines a column with the rows of a matrix value by value; for large ones it is faster to stretch it first. */
function stretchesSlowly(b: Tensor, shape: Shape): boolean {
  return b.dim(-1) === 1 && (shape.at(-1) ?? 1) >= 32 && b.size >= 64;
}

/** a + b, value by value; shapes broadcast as in NumPy. */
export const add = (a: Tensor, b: Tensor): Tensor => binary("add", a, b);
/** a − b, value by value; shapes broadcast. */
export const sub = (a: Tensor, b: Tensor): Tensor => binary("sub", a, b);
/** a · b, value by value; shapes broadcast. */
export const mul = (a: Tensor, b: Tensor): Tensor => binary("mul", a, b);
/** a / b, value by value; shapes broadcast. */
export const div = (a: Tensor, b: Tensor): Tensor => binary("div", a, b);

type Unary =
  | "sqr"
  | "sqrt"
  | "exp"
  | "log"
  | "neg"
  | "abs"
  | "sgn"
  | "step"
  | "tanh"
  | "sigmoid"
  | "softplus"
  | "relu"
  | "silu";

function unary(op: Unary, x: Tensor): Tensor {
  return apply(op, `ggml_${op}`, x);
}

function apply(
  op: string,
  name: `ggml_${Unary}` | ("ggml_gelu" & FunctionName),
  x: Tensor,
): Tensor {
  requireFloat32(op, x);
  const dense = denseRows(x);
  const graph = graphOf(op, [x]);
  const pointer = graph.emit((c) => library().api[name](c, dense.pointer));
  return graph.result(pointer, { dtype: "f32", shape: x.shape, made: { op, inputs: [dense] } });
}

/** x² */
export const sqr = (x: Tensor): Tensor => unary("sqr", x);
/** √x */
export const sqrt = (x: Tensor): Tensor => unary("sqrt", x);
/** eˣ */
export const exp = (x: Tensor): Tensor => unary("exp", x);
/** The natural logarithm. */
export const log = (x: Tensor): Tensor => unary("log", x);
/** −x */
export const neg = (x: Tensor): Tensor => unary("neg", x);
/** |x| */
export const abs = (x: Tensor): Tensor => unary("abs", x);
/** -1, 0 or 1. */
export const sign = (x: Tensor): Tensor => unary("sgn", x);
/** 1 where x > 0, else 0. */
export const step = (x: Tensor): Tensor => unary("step", x);
/** tanh x */
export const tanh = (x: Tensor): Tensor => unary("tanh", x);
/** 1 / (1 + e⁻ˣ) */
export const sigmoid = (x: Tensor): Tensor => unary("sigmoid", x);
/** log(1 + eˣ) */
export const softplus = (x: Tensor): Tensor => unary("softplus", x);
/** max(x, 0) */
export const relu = (x: Tensor): Tensor => unary("relu", x);
/** x · sigmoid(x) (Llama's activation). */
export const silu = (x: Tensor): Tensor => unary("silu", x);

/** `factor · x + offset` with numbers. */
export function scale(x: Tensor, factor: number, offset = 0): Tensor {
  requireFloat32("scale", x);
  requireFinite("scale", [x], "factor", factor);
  requireFinite("scale", [x], "offset", offset);
  const dense = packed(x);
  const graph = graphOf("scale", [x]);
  const pointer = graph.emit((c) =>
    library().api.ggml_scale_bias(c, dense.pointer, factor, offset),
  );
  return graph.result(pointer, {
    dtype: "f32",
    shape: x.shape,
    made: { op: "scale", inputs: [dense], settings: { factor, offset } },
  });
}

/** `value` everywhere, in the shape of `x`. */
export function fill(x: Tensor, value: number): Tensor {
  requireFloat32("fill", x);
  requireFinite("fill", [x], "value", value);
  const dense = contiguous(x);
  const graph = graphOf("fill", [x]);
  const pointer = graph.emit((c) => library().api.ggml_fill(c, dense.pointer, value));
  return graph.result(pointer, { dtype: "f32", shape: x.shape, made: { op: "fill", inputs: [x] } });
}

/** The values of `x`, through which no gradient goes: for differentiation they are constants. */
export function detach(x: Tensor): Tensor {
  const { pointer, shape } = scale(x, 1);
  return graphOf("detach", [x]).result(pointer, {
    dtype: "f32",
    shape,
    made: { op: "detach", inputs: [x] },
  });
}

/** Values below `min` become `min`, values above `max` become `max`. */
export function clamp(x: Tensor, { min, max }: { min: number; max: number }): Tensor {
  requireFloat32("clamp", x);
  if (!(min <= max)) refuse("clamp", [x], `min ${min} is not below max ${max}`);
  const graph = graphOf("clamp", [x]);
  // ggml's clamp writes into its input's memory: it gets a copy.
  const copy = scale(x, 1);
  const pointer = graph.emit((c) => library().api.ggml_clamp(c, copy.pointer, min, max));
  return graph.result(pointer, {
    dtype: "f32",
    shape: x.shape,
    made: { op: "clamp", inputs: [x], settings: { min, max } },
  });
}

/** GELU by ggml's kernel: fast, through a 16-bit table on the processor (error up to 2e-3). */
export function geluFast(x: Tensor): Tensor {
  return kernelGelu("geluFast", x) ?? apply("geluFast", "ggml_gelu", x);
}

/** z = k·x + c·x³ in gelu(x) = x·σ(z). */
export const GELU = {
  k: 2 * Math.sqrt(2 / Math.PI),
  c: 2 * Math.sqrt(2 / Math.PI) * 0.044715,
} as const;

/**
 * GELU in its tanh form (`gelu_new`), exact in f32: x · σ(z), z = 2·√(2/π)·(x + 0.044715·x³), since
 * ½·(1 + tanh u) = σ(2u). Hendrycks & Gimpel 2016, arXiv 1606.08415, §2. Computed as silu(z) / (z/x): ggml's `silu` is
 * ten times as fast as its `sigmoid`, and z/x is never 0.
 */
export function gelu(x: Tensor): Tensor {
  const own = kernelGelu("gelu", x);
  if (own !== undefined) return own;
  const { k, c } = GELU;
  const ratio = scale(mul(x, x), c, k); // ggml's `mul` is faster than its `sqr`
  const { pointer, shape } = div(silu(mul(x, ratio)), ratio);
  return graphOf("gelu", [x]).result(pointer, {
    dtype: "f32",
    shape,
    made: { op: "gelu", inputs: [x] },
  });
}

/** GELU in one pass on a kernel of our own, as exact as `gelu`; undefined where there is none. */
function kernelGelu(op: string, x: Tensor): Tensor | undefined {
  requireFloat32(op, x);
  return rowOperation(op, [x], (kernels, width) => kernels.gelu(width, GELU));
}
