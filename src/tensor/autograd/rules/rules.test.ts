import { describe, expect, it } from "vitest";
import {
  mapValues,
  randomValues,
  tabulate,
  testBackend,
  type Values,
} from "../../../../test/support/tensors.ts";
import * as ops from "../../ops/index.ts";
import type { Tensor } from "../../tensor.ts";
import { Graph } from "../../graph.ts";
import { checkGradients, type CheckedInput } from "../check-gradients.ts";
import { checkpointed } from "../checkpointed.ts";
import { rules } from "./index.ts";

const backend = testBackend();

let seed = 0;
const floats = ({ shape, data }: Values): CheckedInput => ({
  shape,
  values: Float32Array.from(data),
});
const any = (...shape: number[]): CheckedInput => floats(randomValues(shape, ++seed));
/** Values at least 0.1 from 0, so that no kink lies within a finite difference. */
const apart = (...shape: number[]): CheckedInput =>
  floats(mapValues(randomValues(shape, ++seed), (v) => v + (v < 0 ? -0.1 : 0.1)));
const positive = (...shape: number[]): CheckedInput =>
  floats(mapValues(randomValues(shape, ++seed), (v) => Math.abs(v) + 0.3));
const ids = (...values: number[]): CheckedInput => ({
  shape: [values.length],
  values: Int32Array.from(values),
});
const mask = (t: number, s: number): CheckedInput => ({
  ...floats(tabulate([t, s], ([i = 0, j = 0]) => (j <= i ? 0 : -Infinity))),
  fixed: true,
});
const turn = { dims: 4, theta: 100, contextLength: 64 };

type Case = [name: string, f: (...inputs: Tensor[]) => Tensor, ...inputs: CheckedInput[]];

const CASES: Record<string, Case[]> = {
  "operations on each value": [
    ["add", ops.add, any(2, 3, 4), any(3, 1)],
    ["add, its first operand stretched", ops.add, any(4), any(2, 3, 4)],
    ["sub", ops.sub, any(2, 1, 4), any(3, 1)],
    ["mul", ops.mul, any(2, 3), any(2, 3)],
    ["mul, stretched along the last axis", ops.mul, any(5, 7), any(5, 1)],
    ["mul, stretched along every axis", ops.mul, any(5, 7), any(1)],
    ["mul by itself", (x) => ops.mul(x, x), any(5)],
    ["div", ops.div, any(3, 4), positive(4)],
    ["div, stretched", ops.div, any(4), positive(3, 4)],
    ["fill", (x) => ops.mul(ops.fill(x, 2), x), any(3)],
    ["scale", (x) => ops.scale(x, -2.5, 3), any(3)],
    ["sqr", ops.sqr, any(7)],
    ["sqrt", ops.sqrt, positive(7)],
    ["exp", ops.exp, any(7)],
    ["log", ops.log, positive(7)],
    ["neg", ops.neg, any(7)],
    ["abs", ops.abs, apart(7)],
    ["sign", (x) => ops.mul(ops.sign(x), x), apart(7)],
    ["step", (x) => ops.mul(ops.step(x), x), apart(7)],
    ["tanh", ops.tanh, any(7)],
    ["sigmoid", ops.sigmoid, any(7)],
    ["softplus", ops.softplus, any(7)],
    ["relu", ops.relu, apart(7)],
    ["silu", ops.silu, any(3, 33)],
    ["gelu", ops.gelu, any(3, 33)],
    [
      "clamp",
      (x) => ops.clamp(x, { min: -1, max: 0.5 }),
      floats({ shape: [4], data: Float64Array.of(-2, -0.5, 0.2, 1) }),
    ],
    ["gelu at 0", ops.gelu, floats({ shape: [3], data: Float64Array.of(0, -0, 1e-20) })],
  ],
  "operations that move values": [
    ["contiguous", (x) => ops.contiguous(ops.transpose(x)), any(3, 4)],
    ["reshape", (x) => ops.reshape(x, [2, 6]), any(3, 4)],
    ["reshape of a view", (x) => ops.reshape(ops.transpose(x), [2, 6]), any(3, 4)],
    ["permute", (x) => ops.permute(x, [2, 0, 1]), any(2, 3, 4)],
    ["slice", (x) => ops.slice(x, { axis: 1, start: 1, length: 2 }), any(2, 4, 3)],
    ["slice of the last axis", (x) => ops.slice(x, { axis: -1, start: 2, length: 1 }), any(2, 3)],
    [
      "slice of a turned view",
      (x) => ops.slice(ops.transpose(x), { axis: 0, start: 1, length: 2 }),
      any(3, 4),
    ],
    ["pad", (x) => ops.pad(x, { axis: 0, before: 1, after: 2 }), any(2, 3)],
    ["concat", (x, y) => ops.concat(x, y, { axis: 1 }), any(2, 3), any(2, 2)],
    ["concat with itself", (x) => ops.concat(x, x, { axis: 0 }), any(2, 3)],
    ["broadcastTo", (x) => ops.broadcastTo(x, [3, 2, 4]), any(2, 1)],
    ["sumTo", (x) => ops.sumTo(x, [3, 1]), any(2, 3, 4)],
  ],
  "matrix products": [
    ["matmulTransposed", ops.matmulTransposed, any(3, 5), any(4, 5)],
    [
      "of a turned first operand",
      (x, w) => ops.matmulTransposed(ops.transpose(x), w),
      any(5, 3),
      any(4, 5),
    ],
    [
      "of a turned second operand",
      (x, w) => ops.matmulTransposed(x, ops.transpose(w)),
      any(3, 5),
      any(5, 4),
    ],
    [
      "of two turned operands",
      (x, w) => ops.matmulTransposed(ops.transpose(x), ops.transpose(w)),
      any(5, 3),
      any(5, 4),
    ],
    ["in batches", ops.matmulTransposed, any(2, 3, 4, 5), any(2, 3, 2, 5)],
    ["in batches with one matrix", ops.matmulTransposed, any(2, 3, 4, 5), any(2, 5)],
    ["with matrices for groups", ops.matmulTransposed, any(2, 6, 3, 5), any(2, 3, 4, 5)],
    [
      "with matrices for groups of both axes",
      ops.matmulTransposed,
      any(4, 6, 3, 2),
      any(2, 3, 4, 2),
    ],
    ["with matrices for a missing axis", ops.matmulTransposed, any(2, 4, 3, 2), any(2, 5, 2)],
    ["of a matrix with itself", (x) => ops.matmulTransposed(x, x), any(3, 4)],
    ["matmul", ops.matmul, any(2, 3, 4), any(2, 4, 5)],
    ["outerProduct", ops.outerProduct, any(2, 5, 3), any(2, 5, 4)],
    ["linear", ops.linear, any(2, 3, 5), any(4, 5), any(4)],
  ],
  "sums and normalisation": [
    ["sumLast", ops.sumLast, any(2, 3, 4)],
    ["meanLast", ops.meanLast, any(2, 3, 4)],
    ["sumAll", ops.sumAll, any(2, 3)],
    ["standardize", (x) => ops.standardize(x, 1e-2), any(3, 8)],
    [
      "layerNorm",
      (x, weight, bias) => ops.layerNorm(x, { weight, bias, eps: 1e-5 }),
      any(3, 8),
      any(8),
      any(8),
    ],
    ["rmsNorm", (x, weight) => ops.rmsNorm(x, { weight, eps: 1e-2 }), any(3, 8), any(8)],
  ],
  attention: [
    ["softmax", (x) => ops.softmax(x, { scale: 0.7 }), any(2, 3, 5)],
    ["masked softmax", (x, m) => ops.softmax(x, { mask: m, scale: 0.5 }), any(2, 4, 4), mask(4, 4)],
    [
      "softmax of its mask",
      (x, m) => ops.softmax(x, { mask: m, scale: 0.5 }),
      any(2, 3, 4, 5),
      any(3, 4, 5),
    ],
    ["rope", (x, p) => ops.rope(x, p, turn), any(3, 2, 6), ids(0, 5, 2)],
    [
      "rope backwards",
      (x, p) => ops.rope(x, p, { ...turn, backward: true }),
      any(3, 2, 4),
      ids(1, 9, 3),
    ],
    [
      "flashAttention",
      (q, k, v, m) => ops.flashAttention({ q, k, v, mask: ops.cast(m, "f16") }, { scale: 0.5 }),
      any(2, 2, 4, 8),
      any(2, 2, 4, 8),
      any(2, 2, 4, 8),
      { ...mask(4, 4), shape: [1, 1, 4, 4] },
    ],
  ],
  "rows by number": [
    ["takeRows", ops.takeRows, any(5, 3), ids(4, 0, 4, 2)],
    ["at the largest", (x) => ops.takeAlong(x, ops.argmax(x)), any(4, 5)],
    ["takeAlong", (x, i) => ops.takeAlong(x, i), any(4, 3), ids(2, 0, 1, 2)],
    ["takeAlong of groups", (x, i) => ops.takeAlong(x, i, 2), any(3, 6), ids(2, 0, 1)],
    ["putRows", (t, x, i) => ops.putRows(ops.scale(t, 1), x, i), any(5, 3), any(2, 3), ids(3, 0)],
  ],
  losses: [
    ["logSumExp", ops.logSumExp, any(3, 6)],
    ["logSoftmax", ops.logSoftmax, any(3, 6)],
    ["tokenLogProbs", ops.tokenLogProbs, any(4, 6), ids(5, 0, 3, 3)],
    ["crossEntropy", ops.crossEntropy, any(4, 6), ids(5, 0, 3, 3)],
    [
      "crossEntropy with weights",
      ops.crossEntropy,
      any(3, 6),
      ids(5, 0, 3),
      floats({ shape: [3], data: Float64Array.of(0.5, 0, 0.25) }),
    ],
    ["crossEntropy over groups", ops.crossEntropy, any(2, 192), ids(5, 130)],
    ["klDivergence", ops.klDivergence, any(3, 6), any(3, 6)],
  ],
  "blocks that are computed again": [
    ["checkpointed", (x, w) => checkpointed((t) => ops.mul(ops.gelu(t), w))(x), any(3, 4), any(4)],
  ],
  "what is a constant to them": [
    ["detach", (x) => ops.mul(ops.sign(ops.detach(x)), x), apart(7)],
    [
      "topKMask",
      (x) => ops.mul(ops.topKMask(x, 2).mask, x),
      floats(tabulate([4, 5], ([i = 0, j = 0]) => ((3 * j + i) % 5) - 2)),
    ],
  ],
};

it("leaves no rule unchecked", () => {
  const made = new Set<string>();
  const visit = (tensor: Tensor): void => {
    if (tensor.made === undefined) return;
    made.add(tensor.made.op);
    tensor.made.inputs.forEach(visit);
  };
  for (const [, f, ...inputs] of Object.values(CASES).flat()) {
    using graph = new Graph(backend);
    const tensors = inputs.map(({ shape, values }) =>
      graph.input(values instanceof Int32Array ? "i32" : "f32", shape),
    );
    visit(f(...tensors));
  }
  // Read from a 16-bit table, `geluFast` has no finite differences; its rule is that of `gelu`.
  expect(Object.keys(rules).filter((op) => !made.has(op))).toEqual(["geluFast"]);
});

for (const [family, cases] of Object.entries(CASES))
  describe(`gradients of ${family} agree with finite differences`, () => {
    for (const [name, f, ...inputs] of cases)
      it(name, async () => {
        const { compared } = await checkGradients(backend, f, inputs);
        expect(compared).toBeGreaterThan(0);
      });
  });
