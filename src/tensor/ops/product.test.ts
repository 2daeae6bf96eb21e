import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  evaluate,
  expectClose,
  productOf,
  randomValues,
  roundTo,
  tabulate,
  takeView,
  testBackend,
  views,
  type Values,
} from "../../../test/support/tensors.ts";
import { DTYPES, type DType } from "../../engine/dtypes.ts";
import { Graph } from "../graph.ts";
import type { Shape } from "../shape.ts";
import * as ops from "./index.ts";

const BAD_INPUT = expect.objectContaining({ code: "bad_input" }) as Error;

/** Exchanges the last two axes. */
function turned({ shape, data }: Values): Values {
  const [m, n] = [shape.at(-2) ?? 1, shape.at(-1) ?? 1];
  const at = (index: readonly number[]): number => {
    const lead = index.slice(0, -2).reduce((sum, i, axis) => sum * (shape[axis] ?? 1) + i, 0);
    return data[(lead * m + (index.at(-1) ?? 0)) * n + (index.at(-2) ?? 0)] ?? NaN;
  };
  return tabulate([...shape.slice(0, -2), n, m], at);
}

/** Leading axes for a second operand, which those of the first are multiples of. */
function divisors(lead: Shape, choice: number): number[] {
  return lead.map((n, i) => {
    const found = Array.from({ length: n }, (_, d) => d + 1).filter((d) => n % d === 0);
    return found[(choice >> i) % found.length] ?? 1;
  });
}

describe("matmulTransposed", () => {
  it("multiplies any two views, sharing matrices of the second among those of the first", async () => {
    await fc.assert(
      fc.asyncProperty(
        views({ minRank: 2 }),
        fc.integer({ min: 1, max: 7 }),
        fc.nat(63),
        fc.nat(2),
        fc.boolean(),
        fc.nat(),
        async (view, m, choice, cut, flip, seed) => {
          const { shape } = view.values;
          const lead = divisors(shape.slice(0, -2), choice).slice(Math.min(cut, shape.length - 2));
          const k = shape.at(-1) ?? 1;
          const w = randomValues([...lead, m, k], seed);
          const [found] = await evaluate(
            (x, y) => ops.matmulTransposed(takeView(view, x), flip ? ops.transpose(y) : y),
            [view.base, flip ? turned(w) : w],
          );
          expectClose(found!, productOf(view.values, w), { absolute: 1e-5, relative: 1e-5 });
        },
      ),
      { numRuns: 300 },
    );
  });

  it("is exact enough for long rows on two threads", async () => {
    for (const [t, m, k] of [
      [33, 65, 257],
      [128, 96, 1024],
      [1, 300, 513],
    ] as const) {
      const [x, w] = [randomValues([t, k], t), randomValues([m, k], m)];
      const [found] = await evaluate(ops.matmulTransposed, [x, w], { threads: 2 });
      expectClose(found!, productOf(x, w), { absolute: 2e-4, relative: 1e-5 });
    }
  });

  it("multiplies with weights of every type that has values", async () => {
    const k = 256;
    const x = randomValues([5, k], 1, 1);
    for (const dtype of Object.keys(DTYPES) as DType[]) {
      if (DTYPES[dtype].blockSize === 1 && !["f16", "bf16"].includes(dtype)) continue;
      using graph = new Graph(testBackend());
      const w = graph.input(dtype, [3, k]);
      const input = graph.input("f32", [5, k]);
      if (dtype === "q8_1" || dtype === "q8_k") {
        expect(() => ops.matmulTransposed(input, w), dtype).toThrow(BAD_INPUT);
        continue;
      }
      graph.output(ops.matmulTransposed(input, w));
      graph.allocate();
      await graph.compute();
    }
    for (const [dtype, absolute] of [
      ["f16", 0.02],
      ["bf16", 0.15],
      ["q8_0", 0.3],
      ["q6_k", 0.3],
      ["q4_0", 0.3],
      ["q4_k", 0.3],
      ["iq4_nl", 0.3],
    ] as const) {
      const w = randomValues([3, k], 2, 1);
      const [found] = await evaluate(ops.matmulTransposed, [x, { ...w, dtype }]);
      expectClose(found!, productOf(x, await roundTo(dtype, w)), { absolute });
    }
  });

  it("refuses operands that do not multiply", () => {
    using graph = new Graph(testBackend());
    const x = (...shape: number[]) => graph.input("f32", shape);
    for (const call of [
      () => ops.matmulTransposed(x(2, 3), x(2, 4)),
      () => ops.matmulTransposed(x(3), x(3)),
      () => ops.matmulTransposed(x(2, 3), x(3)),
      () => ops.matmulTransposed(x(2, 3), x(2, 2, 3)),
      () => ops.matmulTransposed(x(3, 2, 3), x(2, 2, 3)),
      () => ops.matmulTransposed(graph.input("f16", [2, 3]), x(2, 3)),
      () => ops.matmulTransposed(x(2, 3), graph.input("i32", [2, 3])),
    ])
      expect(call).toThrow(BAD_INPUT);
  });
});

describe("outerProduct", () => {
  it("multiplies the columns of any two views", async () => {
    await fc.assert(
      fc.asyncProperty(
        views({ minRank: 2 }),
        fc.integer({ min: 1, max: 7 }),
        fc.boolean(),
        fc.nat(),
        async (view, m, flip, seed) => {
          const lead = view.values.shape.slice(0, -1);
          const other = randomValues([...lead, m], seed);
          const [left, right] = await evaluate(
            (x, y) => {
              const [v, w] = [takeView(view, x), flip ? ops.transpose(y) : y];
              return [ops.outerProduct(v, w), ops.outerProduct(w, v)];
            },
            [view.base, flip ? turned(other) : other],
          );
          const tolerance = { absolute: 1e-5, relative: 1e-5 };
          expectClose(left!, productOf(turned(view.values), turned(other)), tolerance);
          expectClose(right!, productOf(turned(other), turned(view.values)), tolerance);
        },
      ),
      { numRuns: 100 },
    );
  });

  it("refuses operands of different rows", () => {
    using graph = new Graph(testBackend());
    const x = graph.input("f32", [2, 3, 4]);
    for (const shape of [[2, 4, 4], [3, 4], [1, 3, 4], [4]])
      expect(() => ops.outerProduct(x, graph.input("f32", shape))).toThrow(BAD_INPUT);
  });
});

describe("matmul and linear", () => {
  it("multiply as written", async () => {
    const [a, b, bias] = [
      randomValues([2, 3, 4], 1),
      randomValues([2, 4, 5], 2),
      randomValues([5], 3),
    ];
    const w = randomValues([5, 4], 4);
    const [product, layer, plain] = await evaluate(
      (x, y, z, v) => [ops.matmul(x, y), ops.linear(x, z, v), ops.linear(x, z)],
      [a, b, w, bias],
    );
    const tolerance = { absolute: 1e-5 };
    expectClose(product!, productOf(a, turned(b)), tolerance);
    expectClose(plain!, productOf(a, w), tolerance);
    const shifted = productOf(a, w);
    expectClose(
      layer!,
      { ...shifted, data: shifted.data.map((v, i) => v + (bias.data[i % 5] ?? 0)) },
      tolerance,
    );
  });
});
