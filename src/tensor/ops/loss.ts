/**
 * Log-probabilities and the losses made of them, for vocabularies of any size: nothing here is `[R, V]` but the logits,
 * their softmax, and their gradient. R rows, V vocabulary.
 */
import type { Tensor } from "../tensor.ts";
import { graphOf, refuse, requireFloat32 } from "./check.ts";
import { fill, log, mul, neg, scale, sub } from "./elementwise.ts";
import { softmax } from "./attention.ts";
import { reshape, slice } from "./layout.ts";
import { takeAlong } from "./lookup.ts";
import { matmulTransposed } from "./product.ts";
import { argmax, sumAll, sumLast } from "./reduce.ts";

/** log Σ exp(x) over the last axis, `[R, V]` → `[R, 1]`, for logits of any size. */
export function logSumExp(x: Tensor): Tensor {
  const { shares, sum } = normalizer("logSumExp", x);
  return graphOf("logSumExp", [x]).result(sum.pointer, {
    dtype: "f32",
    shape: sum.shape,
    made: { op: "logSumExp", inputs: [x], settings: { shares } },
  });
}

/** log Σ exp(x) `[R, 1]`, and softmax(x), which is made on the way. */
function normalizer(op: string, x: Tensor): { sum: Tensor; shares: Tensor } {
  requireFloat32(op, x);
  if (x.rank !== 2) refuse(op, [x], "needs logits [R, V]");
  // log Σ exp(x) = x_j − log softmax(x)_j for every j: one whose share is no underflow is good enough.
  const shares = softmax(x);
  const { value, share } = largest(x, shares);
  return { shares, sum: sub(value, log(share)) };
}

/** Tokens in a group; ggml looks for a largest value on one thread, value by value. */
const GROUP = 64;

/** A logit of each row and its share, which is at least 1/V: `[R, 1]` both. */
function largest(x: Tensor, shares: Tensor): { value: Tensor; share: Tensor } {
  const [rows, vocabulary] = [x.dim(0), x.dim(1)];
  if (vocabulary % GROUP !== 0 || vocabulary === GROUP) {
    const at = argmax(shares);
    return { value: takeAlong(x, at), share: takeAlong(shares, at) };
  }
  // The group with the largest sum of shares, then the largest share in it.
  const groups = reshape(shares, [-1, GROUP]); // [R·V/64, 64]
  const ones = fill(slice(groups, { axis: 0, start: 0, length: 1 }), 1);
  const sums = reshape(matmulTransposed(groups, ones), [rows, vocabulary / GROUP]);
  const best = argmax(sums); // [R]
  const group = takeAlong(shares, best, GROUP); // [R, 64]
  const at = argmax(group);
  return { value: takeAlong(takeAlong(x, best, GROUP), at), share: takeAlong(group, at) };
}

/** x − log Σ exp(x) over the last axis: `[R, V]`. */
export function logSoftmax(x: Tensor): Tensor {
  return sub(x, logSumExp(x));
}

/**
 * Log-probability of one token per row: logits `[R, V]`, i32 targets `[R]` → `[R]`. The caller checks the targets; for
 * rows that do not count any id will do.
 */
export function tokenLogProbs(logits: Tensor, targets: Tensor): Tensor {
  const { shares, sum } = normalizer("tokenLogProbs", logits);
  const { pointer, shape } = sub(takeAlong(logits, targets), sum);
  const columns = graphOf("tokenLogProbs", [logits]).result(pointer, {
    dtype: "f32",
    shape,
    made: { op: "tokenLogProbs", inputs: [logits, targets], settings: { shares } },
  });
  return reshape(columns, [logits.dim(0)]);
}

/**
 * Cross-entropy Σ −wᵣ · log p(targetᵣ): logits `[R, V]`, i32 targets `[R]` → `[1]`.
 *
 * @param weights - f32 `[R]`, such as `countedTargets` gives: 0 where a row does not count; without them each counts 1/R
 */
export function crossEntropy(logits: Tensor, targets: Tensor, weights?: Tensor): Tensor {
  const logProbs = tokenLogProbs(logits, targets);
  if (weights === undefined) return scale(sumAll(logProbs), -1 / logits.dim(0));
  return neg(sumAll(mul(logProbs, weights)));
}

/**
 * Kullback-Leibler divergence Σ p·(log p − log q) of each row, `[R, V]` logits of p and of q → `[R]`.
 */
export function klDivergence(p: Tensor, q: Tensor): Tensor {
  const difference = sub(logSoftmax(p), logSoftmax(q));
  return reshape(sumLast(mul(softmax(p), difference)), [p.dim(0)]);
}
