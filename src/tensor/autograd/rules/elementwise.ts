/** Derivatives of operations on each value. `dy` is the gradient of the result y. */
import { siluBackward } from "../../ops/backward.ts";
import {
  add,
  div,
  GELU,
  mul,
  neg,
  scale,
  sigmoid,
  sign,
  silu,
  sqr,
  step,
  sub,
} from "../../ops/elementwise.ts";
import { sumTo } from "../../ops/reduce.ts";
import { rowOperation } from "../../ops/row-kernel.ts";
import type { Tensor } from "../../tensor.ts";
import { binaryRule, unaryRule, type Rules } from "../rule.ts";

export const elementwiseRules: Rules = {
  // y = a ± b:  da = dy,  db = ±dy, summed over the axes that were stretched
  add: binaryRule(
    (dy, a) => sumTo(dy, a.shape),
    (dy, _, b) => sumTo(dy, b.shape),
  ),
  sub: binaryRule(
    (dy, a) => sumTo(dy, a.shape),
    (dy, _, b) => neg(sumTo(dy, b.shape)),
  ),
  // y = a·b:  da = dy·b,  db = dy·a
  mul: binaryRule(
    (dy, a, b) => sumTo(mul(dy, b), a.shape),
    (dy, a, b) => sumTo(mul(dy, a), b.shape),
  ),
  // y = a/b:  da = dy/b,  db = −dy·y/b
  div: binaryRule(
    (dy, a, b) => sumTo(div(dy, b), a.shape),
    (dy, _, b, y) => neg(sumTo(div(mul(dy, y), b), b.shape)),
  ),
  // y = f·x + o:  dx = f·dy
  scale: unaryRule((dy, _x, _y, settings) => scale(dy, (settings as { factor: number }).factor)),
  sqr: unaryRule((dy, x) => scale(mul(dy, x), 2)), // 2·x
  sqrt: unaryRule((dy, _, y) => scale(div(dy, y), 0.5)), // 1/(2·y)
  exp: unaryRule((dy, _, y) => mul(dy, y)), // y
  log: unaryRule((dy, x) => div(dy, x)), // 1/x
  neg: unaryRule((dy) => neg(dy)),
  abs: unaryRule((dy, x) => mul(dy, sign(x))),
  sgn: () => [], // 0 wherever there is a derivative
  step: () => [],
  fill: () => [],
  detach: () => [],
  tanh: unaryRule((dy, _, y) => sub(dy, mul(dy, sqr(y)))), // 1 − y²
  sigmoid: unaryRule((dy, _, y) => mul(dy, sub(y, sqr(y)))), // y·(1 − y)
  softplus: unaryRule((dy, x) => mul(dy, sigmoid(x))),
  relu: unaryRule((dy, x) => mul(dy, step(x))),
  silu: unaryRule((dy, x) => siluBackward(dy, x)), // σ·(1 + x·(1 − σ))
  gelu: unaryRule(geluBackward),
  geluFast: unaryRule(geluBackward),
  // 1 from min to max, both included
  clamp: unaryRule((dy, x, _, settings) => {
    const { min, max } = settings as { min: number; max: number };
    const outside = add(step(scale(x, -1, min)), step(scale(x, 1, -max)));
    return sub(dy, mul(dy, outside));
  }),
};

/** Keeps z away from 0, where silu(−z)/−z would be 0/0; no other z notices. */
const TINY = 1e-30;

/**
 * With y = x·σ(z), z = k·x + c·x³, and g = dz/dx = k + 3·c·x²:  dy/dx = σ(z)·(1 + x·g·σ(−z)). σ(−z) = silu(−z)/−z comes
 * from ggml's fast silu, and is exact where x is large and x·g larger; σ(z) is 1 − σ(−z).
 */
function geluBackward(dy: Tensor, x: Tensor): Tensor {
  const own = rowOperation("geluBackward", [dy, x], (kernels, width) =>
    kernels.geluBackward(width, GELU),
  );
  if (own !== undefined) return own;
  const { k, c } = GELU;
  const square = mul(x, x);
  const negative = scale(mul(x, scale(square, c, k)), -1, -TINY); // −z
  const rest = div(silu(negative), negative); // σ(−z)
  const direct = mul(dy, scale(rest, -1, 1));
  return add(direct, mul(direct, mul(rest, mul(x, scale(square, 3 * c, k)))));
}
