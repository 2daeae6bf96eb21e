import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  evaluate,
  expectClose,
  mapRows,
  randomValues,
  rowsOf,
  testBackend,
  type Values,
} from "../../../test/support/tensors.ts";
import { Graph } from "../graph.ts";
import { countedTargets, IGNORED } from "../targets.ts";
import * as ops from "./index.ts";

const BAD_INPUT = expect.objectContaining({ code: "bad_input" }) as Error;

function logSumExpOf(row: Float64Array): number {
  const largest = Math.max(...row);
  return largest + Math.log(row.reduce((sum, x) => sum + Math.exp(x - largest), 0));
}

const logSoftmaxOf = (x: Values): Values =>
  mapRows(x, (row) => row.map((v) => v - logSumExpOf(row)));

describe("log-probabilities", () => {
  it("are exact for logits of any size, also where a probability underflows", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 7 }),
        fc.oneof(fc.integer({ min: 1, max: 40 }), fc.constantFrom(64, 128, 192)),
        fc.constantFrom(1, 30, 1000),
        fc.nat(),
        async (r, v, scale, seed) => {
          const x = randomValues([r, v], seed, scale);
          const targets = Array.from({ length: r }, (_, i) => (seed + 7 * i) % v);
          const [sums, all, picked, loss] = await evaluate(
            (t, ids) => [
              ops.logSumExp(t),
              ops.logSoftmax(t),
              ops.tokenLogProbs(t, ids),
              ops.crossEntropy(t, ids),
            ],
            [x, { shape: [r], data: Float64Array.from(targets), dtype: "i32" }],
          );
          const wanted = logSoftmaxOf(x);
          const tolerance = { absolute: 2e-6 * Math.max(1, scale) };
          expectClose(
            sums!,
            mapRows(x, (row) => [logSumExpOf(row)]),
            tolerance,
          );
          expectClose(all!, wanted, tolerance);
          const chosen = rowsOf(wanted).map((row, i) => row[targets[i] ?? 0] ?? NaN);
          expectClose(picked!, { shape: [r], data: Float64Array.from(chosen) }, tolerance);
          const mean = -chosen.reduce((a, b) => a + b, 0) / r;
          expectClose(loss!, { shape: [1], data: Float64Array.of(mean) }, tolerance);
        },
      ),
      { numRuns: 60 },
    );
  });

  it("refuse logits and targets that do not fit", () => {
    using graph = new Graph(testBackend());
    const logits = graph.input("f32", [3, 5]);
    for (const call of [
      () => ops.tokenLogProbs(logits, graph.input("i32", [2])),
      () => ops.tokenLogProbs(logits, graph.input("f32", [3])),
      () => ops.tokenLogProbs(graph.input("f32", [5]), graph.input("i32", [1])),
      () => ops.crossEntropy(logits, graph.input("i32", [3]), graph.input("f32", [2])),
      () => ops.logSoftmax(graph.input("f32", [2, 3, 5])),
      () => ops.klDivergence(logits, graph.input("f32", [3, 4])),
    ])
      expect(call).toThrow(BAD_INPUT);
  });
});

describe("klDivergence", () => {
  it("is that of the rows' distributions, and 0 for equal ones", async () => {
    const [p, q] = [randomValues([4, 9], 1, 3), randomValues([4, 9], 2, 3)];
    const [found, same] = await evaluate(
      (a, b) => [ops.klDivergence(a, b), ops.klDivergence(a, a)],
      [p, q],
    );
    const [logP, logQ] = [rowsOf(logSoftmaxOf(p)), rowsOf(logSoftmaxOf(q))];
    const wanted = logP.map((row, i) =>
      row.reduce((sum, lp, j) => sum + Math.exp(lp) * (lp - (logQ[i]?.[j] ?? NaN)), 0),
    );
    expectClose(found!, { shape: [4], data: Float64Array.from(wanted) }, { absolute: 1e-5 });
    expectClose(same!, { shape: [4], data: new Float64Array(4) }, { absolute: 1e-6 });
  });
});

describe("countedTargets", () => {
  it("weights the rows that count equally, also over several parts of a batch", () => {
    expect(countedTargets([3, IGNORED, 0, 4], { vocabSize: 5 })).toEqual({
      ids: Int32Array.of(3, 0, 0, 4),
      weights: Float32Array.of(1 / 3, 0, 1 / 3, 1 / 3),
      counted: 3,
    });
    expect(countedTargets([1, IGNORED], { vocabSize: 5, count: 8 }).weights[0]).toBe(1 / 8);
  });

  it("refuses ids outside the vocabulary, and rows of which none counts", () => {
    for (const targets of [[5], [-1], [0.5], [NaN], [IGNORED], []])
      expect(() => countedTargets(targets, { vocabSize: 5 })).toThrow(BAD_INPUT);
  });

  it("leaves ignored rows out of the loss and its gradient", async () => {
    const x = randomValues([3, 4], 1);
    const { ids, weights } = countedTargets([2, IGNORED, 1], { vocabSize: 4 });
    const [loss] = await evaluate(ops.crossEntropy, [
      x,
      { shape: [3], data: Float64Array.from(ids), dtype: "i32" },
      { shape: [3], data: Float64Array.from(weights) },
    ]);
    const rows = rowsOf(logSoftmaxOf(x));
    const mean = -((rows[0]?.[2] ?? NaN) + (rows[2]?.[1] ?? NaN)) / 2;
    expectClose(loss!, { shape: [1], data: Float64Array.of(mean) }, { absolute: 1e-6 });
  });
});
