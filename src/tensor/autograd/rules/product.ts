/** Gradients of matrix products. */
import { cast } from "../../ops/copy.ts";
import { contiguous, reshape } from "../../ops/layout.ts";
import { matmul, matmulTransposed, outerProduct, transposedOperand } from "../../ops/product.ts";
import { sumTo } from "../../ops/reduce.ts";
import { sameShape } from "../../shape.ts";
import type { Tensor } from "../../tensor.ts";
import { binaryRule, type Rules } from "../rule.ts";

export const productRules: Rules = {
  // y = x·wᵀ:  dx = dy·w,  dw = dyᵀ·x. A quantised w is decoded for its own product only, a packed one inside of it.
  matmulTransposed: binaryRule(
    (dy, _, w) => matmul(dy, w.interleaved ? w : cast(w, "f32")),
    (dy, x, w) => {
      if (w.rank === 2) return matmulTransposed(turned(dy), turned(x));
      return sumGroups(outerProduct(dy, x), w);
    },
  ),
  // y = aᵀ·b:  da = b·dyᵀ,  db = a·dy
  outerProduct: binaryRule(
    (dy, _, b) => matmulTransposed(b, dy),
    (dy, a) => matmul(a, dy),
  ),
};

/** Transposed operands: the gradients of all weights that read the same tensor share one. */
const turnedOperands = new WeakMap<Tensor, Tensor>();

function turned(x: Tensor): Tensor {
  let operand = turnedOperands.get(x);
  if (operand === undefined) turnedOperands.set(x, (operand = transposedOperand(x)));
  return operand;
}

/** Adds up the gradients of a matrix that served several neighbours: `[..., g·n, M, K]` → `[..., n, M, K]`. */
function sumGroups(dw: Tensor, w: Tensor): Tensor {
  const lead = dw.shape.slice(0, -2);
  const shared = lead.map((_, i) => w.shape[i - dw.rank + w.rank] ?? 1);
  if (sameShape(lead, shared)) return reshape(dw, w.shape);
  const size = w.dim(-2) * w.dim(-1);
  let sum = contiguous(dw);
  // One axis at a time, since a tensor has at most four: [outer, n, g, inner] → [outer, n, 1, inner]
  shared.forEach((n, axis) => {
    const groups = (lead[axis] ?? 1) / n;
    const outer = shared.slice(0, axis).reduce((a, b) => a * b, 1);
    const inner = lead.slice(axis + 1).reduce((a, b) => a * b, size);
    sum = sumTo(reshape(sum, [outer, n, groups, inner]), [outer, n, 1, inner]);
  });
  return reshape(sum, w.shape);
}
