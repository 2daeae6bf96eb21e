/** Gradients of sums and of normalisation over rows. */
import { rmsNormalizeBackward } from "../../ops/backward.ts";
import { scale, sub } from "../../ops/elementwise.ts";
import { broadcastTo } from "../../ops/copy.ts";
import { meanLast } from "../../ops/reduce.ts";
import { rowOperation } from "../../ops/row-kernel.ts";
import type { Tensor } from "../../tensor.ts";
import { unaryRule, type Rules } from "../rule.ts";

const epsOf = (settings: unknown): number => (settings as { eps: number }).eps;

export const rowRules: Rules = {
  sumLast: unaryRule((dy, x) => broadcastTo(dy, x.shape)),
  meanLast: unaryRule((dy, x) => broadcastTo(scale(dy, 1 / x.dim(-1)), x.shape)),
  sumAll: unaryRule((dy, x) => broadcastTo(dy, x.shape)),
  sumTo: unaryRule((dy, x) => broadcastTo(dy, x.shape)),
  argmax: () => [],

  // y = x/r, r = √(mean(x²) + eps):  dx = (dy − y·mean(dy·y))/r
  rmsNormalize: unaryRule((dy, x, _, settings) => rmsNormalizeBackward(dy, x, epsOf(settings))),

  // y = c/√(mean(c²) + eps) with c = x − mean(x): the derivative above, then that of c, which is c's own formula
  standardize: unaryRule((dy, x, _, settings) => standardizeBackward(dy, x, epsOf(settings))),
};

function standardizeBackward(dy: Tensor, x: Tensor, eps: number): Tensor {
  const own = rowOperation("standardizeBackward", [dy, x], (kernels, width) =>
    kernels.standardizeBackward(width, eps),
  );
  return own ?? centred(rmsNormalizeBackward(dy, centred(x), eps));
}

function centred(x: Tensor): Tensor {
  return sub(x, meanLast(x));
}
