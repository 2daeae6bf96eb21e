/** Gradients of log-probabilities. */
import { mul, neg, sub } from "../../ops/elementwise.ts";
import { reshape } from "../../ops/layout.ts";
import { putAlong, takeAlong } from "../../ops/lookup.ts";
import type { Tensor } from "../../tensor.ts";
import type { Rules } from "../rule.ts";

export const lossRules: Rules = {
  // y = log Σ exp(x):  dx = dy·softmax(x)
  logSumExp: ({ dy, inputs, settings }) => {
    const [x] = inputs as [Tensor];
    return [mul((settings as { shares: Tensor }).shares, reshape(dy, [x.dim(0), 1]))];
  },

  // y = x[t] − log Σ exp(x):  dx = −dy·softmax(x), and dy more at t
  tokenLogProbs: ({ dy, inputs, settings }) => {
    const [, targets] = inputs as [Tensor, Tensor];
    const { shares } = settings as { shares: Tensor };
    const columns = reshape(dy, [-1, 1]);
    const down = mul(shares, neg(columns)); // [R, V]
    const at = sub(columns, mul(columns, takeAlong(shares, targets))); // [R, 1]
    return [putAlong(down, at, targets)];
  },
};
