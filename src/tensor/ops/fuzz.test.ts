/** Whatever an operation is given, it is computed or refused with a `LabError`: a crash would end this process. */
import fc from "fast-check";
import { expect, it } from "vitest";
import { expectTrueHeaders, shapes, testBackend } from "../../../test/support/tensors.ts";
import { LabError } from "../../base/errors.ts";
import { DTYPES, type DType } from "../../engine/dtypes.ts";
import { Graph } from "../graph.ts";
import type { Tensor } from "../tensor.ts";
import {
  rmsNormalizeBackward,
  siluBackward,
  softmaxBackward,
  takeRowsBackward,
} from "./backward.ts";
import * as ops from "./index.ts";
import { accumulate, adamwStep, clear, sgdStep } from "./update.ts";

/** Choices of a random test case, made as they are needed. */
class Choices {
  readonly #numbers: readonly number[];
  #next = 0;

  constructor(numbers: readonly number[]) {
    this.#numbers = numbers;
  }

  below(n: number): number {
    return (this.#numbers[this.#next++ % this.#numbers.length] ?? 0) % n;
  }

  of<T>(options: readonly T[]): T {
    return options[this.below(options.length)] as T;
  }

  /** Mostly small and sensible, sometimes not. */
  number(): number {
    return this.of([0, 1, 2, 3, 4, -1, 1, 2, 8, 0.5, NaN, Infinity, 2 ** 31, 1e-5]);
  }

  numbers(length: number): number[] {
    return Array.from({ length }, () => this.number());
  }
}

type Take = () => Tensor;

/** Every operation, on tensors and settings that are taken at random. */
const CALLS: Record<string, (take: Take, choose: Choices) => Tensor> = {
  binary: (t, c) => c.of([ops.add, ops.sub, ops.mul, ops.div])(t(), t()),
  unary: (t, c) =>
    c.of([ops.sqr, ops.sqrt, ops.exp, ops.log, ops.neg, ops.abs, ops.sign, ops.step, ops.tanh])(
      t(),
    ),
  unary2: (t, c) =>
    c.of([ops.sigmoid, ops.softplus, ops.relu, ops.silu, ops.gelu, ops.geluFast])(t()),
  scale: (t, c) => ops.scale(t(), c.number(), c.number()),
  clamp: (t, c) => ops.clamp(t(), { min: c.number(), max: c.number() }),
  detach: (t) => ops.detach(t()),
  topKMask: (t, c) => ops.topKMask(t(), c.number()).mask,
  contiguous: (t, c) => c.of([ops.contiguous, ops.packed, ops.denseRows])(t()),
  reshape: (t, c) => ops.reshape(t(), c.numbers(1 + c.below(5))),
  regroup: (t) => {
    const x = t();
    return ops.reshape(x, [x.size, 1]);
  },
  permute: (t, c) => {
    const x = t();
    const order = x.shape.map((_, i) => (i + 1) % x.rank);
    return ops.permute(x, c.below(3) > 0 ? order : c.numbers(x.rank));
  },
  transpose: (t) => ops.transpose(t()),
  slice: (t, c) => ops.slice(t(), { axis: c.below(5) - 2, start: c.below(4), length: c.number() }),
  broadcastTo: (t, c) => ops.broadcastTo(t(), [c.below(4) + 1, ...t().shape].slice(0, 4)),
  concat: (t, c) => ops.concat(t(), t(), { axis: c.below(6) - 2 }),
  padEnd: (t, c) => ops.padEnd(t(), { axis: c.below(6) - 2, amount: c.number() }),
  cast: (t, c) => ops.cast(t(), c.of(Object.keys(DTYPES) as DType[])),
  matmulTransposed: (t) => ops.matmulTransposed(t(), t()),
  gram: (t) => {
    const x = t();
    return ops.matmulTransposed(x, x);
  },
  matmul: (t) => ops.matmul(t(), t()),
  linear: (t) => ops.linear(t(), t(), t()),
  reduce: (t, c) => c.of([ops.sumLast, ops.meanLast, ops.sumAll, ops.argmax])(t()),
  standardize: (t, c) => ops.standardize(t(), c.number()),
  layerNorm: (t, c) => ops.layerNorm(t(), { weight: t(), bias: t(), eps: c.number() }),
  rmsNorm: (t, c) => ops.rmsNorm(t(), { weight: t(), eps: c.number() }),
  softmax: (t, c) => ops.softmax(t(), { scale: c.number() }),
  maskedSoftmax: (t) => ops.softmax(t(), { mask: t() }),
  rope: (t, c) =>
    ops.rope(t(), t(), {
      dims: c.number(),
      theta: c.of([10_000, c.number()]),
      contextLength: 64,
      backward: c.below(2) === 0,
    }),
  flashAttention: (t, c) => {
    const [q, k] = [t(), t()];
    return ops.flashAttention({ q, k, v: c.of([k, t()]), mask: t() }, { scale: c.number() });
  },
  takeRows: (t) => ops.takeRows(t(), t()),
  putRows: (t) => ops.putRows(ops.scale(t(), 1), t(), t()),
  assign: (t) => ops.assign(ops.scale(t(), 1), t()),
  fill: (t, c) => ops.fill(t(), c.number()),
  pad: (t, c) => ops.pad(t(), { axis: c.below(6) - 2, before: c.number(), after: c.number() }),
  sumTo: (t, c) => ops.sumTo(t(), c.below(2) === 0 ? t().shape : t().shape.map(() => 1)),
  outerProduct: (t) => ops.outerProduct(t(), t()),
  outerSquare: (t) => {
    const x = t();
    return ops.outerProduct(x, x);
  },
  topK: (t, c) => {
    const { values, ids } = ops.topK(t(), c.number());
    return c.of([values, ids]);
  },
  takeAlong: (t, c) => ops.takeAlong(t(), t(), c.number()),
  putAlong: (t) => ops.putAlong(ops.scale(t(), 1), t(), t()),
  loss: (t, c) => c.of([ops.logSumExp, ops.logSoftmax])(t()),
  pairLoss: (t, c) => c.of([ops.tokenLogProbs, ops.crossEntropy, ops.klDivergence])(t(), t()),
  weightedLoss: (t) => ops.crossEntropy(t(), t(), t()),
  siluBackward: (t) => siluBackward(t(), t()),
  softmaxBackward: (t, c) => softmaxBackward(t(), t(), c.number()),
  rmsNormalizeBackward: (t, c) => rmsNormalizeBackward(t(), t(), c.number()),
  accumulate: (t) => accumulate(t(), t()),
  clear: (t) => {
    const x = t();
    return clear(x.graph!, x);
  },
  adamwStep: (t) => adamwStep(t(), { gradient: t(), m: t(), v: t(), settings: t() }),
  sgdStep: (t) => sgdStep(t(), { gradient: t(), settings: t() }),
  takeRowsBackward: (t, c) => takeRowsBackward(t(), t(), c.number()),
};

/** Types of the first tensors of a case: mostly f32, since most operations want that. */
const TYPES: readonly DType[] = ["f32", "f32", "f32", "f16", "i32", "i64", "bf16", "q8_0", "q4_k"];

it("computes or refuses any chain of operations on any tensors", async () => {
  let computed = 0;
  let refused = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.array(shapes({ maxSize: 5 }), { minLength: 2, maxLength: 5 }),
      fc.array(fc.constantFrom(...Object.keys(CALLS)), { minLength: 1, maxLength: 10 }),
      fc.array(fc.nat(), { minLength: 8, maxLength: 60 }),
      async (sizes, names, numbers) => {
        const choose = new Choices(numbers);
        using graph = new Graph(testBackend());
        const inputs = sizes.map((shape) => {
          const dtype = choose.of(TYPES);
          const { blockSize } = DTYPES[dtype];
          return graph.input(dtype, [...shape.slice(0, -1), (shape.at(-1) ?? 1) * blockSize]);
        });
        const pool = [...inputs];
        for (const name of names)
          try {
            const result = CALLS[name]!(() => choose.of(pool), choose);
            expectTrueHeaders(result);
            pool.push(result);
            graph.output(result);
          } catch (error) {
            if (!(error instanceof LabError) || error.code === "internal") throw error;
            refused++;
          }
        computed += pool.length - inputs.length;
        graph.allocate();
        // Zero bytes are valid values of every type, and valid ids.
        for (const input of inputs) input.write(new Uint8Array(input.sizeBytes));
        await graph.compute();
      },
    ),
    { numRuns: 1500 },
  );
  expect(computed).toBeGreaterThan(1000);
  expect(refused).toBeGreaterThan(1000);
});
