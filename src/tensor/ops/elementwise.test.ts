import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  at,
  evaluate,
  expectClose,
  mapValues,
  randomValues,
  tabulate,
  takeView,
  testBackend,
  views,
  type Tolerance,
  type Values,
} from "../../../test/support/tensors.ts";
import { Graph } from "../graph.ts";
import { broadcastShapes, type Shape } from "../shape.ts";
import * as ops from "./index.ts";

const BINARY = {
  add: (a: number, b: number) => a + b,
  sub: (a: number, b: number) => a - b,
  mul: (a: number, b: number) => a * b,
  div: (a: number, b: number) => a / b,
};

/** Rounding of one operation in 32 bits. */
const ROUNDING: Tolerance = { relative: 1e-7, absolute: 1e-30 };

function combine(a: Values, b: Values, f: (a: number, b: number) => number): Values {
  const shape = broadcastShapes(a.shape, b.shape) ?? [];
  return tabulate(shape, (index) => f(at(a, index), at(b, index)));
}

/** `shape` with some axes set to 1 and some leading axes cut off. */
function shrunk(shape: Shape, mask: number, cut: number): number[] {
  const kept = shape.map((n, i) => ((mask >> i) & 1 ? 1 : n));
  return kept.slice(Math.min(cut, shape.length - 1));
}

for (const [name, f] of Object.entries(BINARY) as [keyof typeof BINARY, typeof BINARY.add][])
  describe(name, () => {
    it("combines views value by value, stretching either side", async () => {
      await fc.assert(
        fc.asyncProperty(
          views(),
          fc.nat(15),
          fc.nat(15),
          fc.nat(3),
          fc.nat(),
          async (view, mask, otherMask, cut, seed) => {
            const other = randomValues(shrunk(view.values.shape, mask, cut), seed);
            const stretched = randomValues(shrunk(view.values.shape, otherMask, 0), seed + 1);
            const [straight, reversed, both] = await evaluate(
              (x, y, z) => {
                const v = takeView(view, x);
                return [ops[name](v, y), ops[name](y, v), ops[name](z, y)];
              },
              [view.base, other, stretched],
            );
            expectClose(straight!, combine(view.values, other, f), ROUNDING);
            expectClose(reversed!, combine(other, view.values, f), ROUNDING);
            expectClose(both!, combine(stretched, other, f), ROUNDING);
          },
        ),
        { numRuns: 60 },
      );
    });

    it("refuses shapes that do not stretch to one another, and other types", () => {
      using graph = new Graph(testBackend());
      const x = graph.input("f32", [2, 3]);
      const bad = { code: "bad_input" };
      expect(() => ops[name](x, graph.input("f32", [2]))).toThrow(expect.objectContaining(bad));
      expect(() => ops[name](graph.input("f32", [4, 3]), x)).toThrow(expect.objectContaining(bad));
      expect(() => ops[name](x, graph.input("f16", [2, 3]))).toThrow(expect.objectContaining(bad));
    });
  });

const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));
const gelu = (x: number): number =>
  0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)));

const UNARY: [name: string, op: (typeof ops)["exp"], f: (x: number) => number, Tolerance][] = [
  ["sqr", ops.sqr, (x) => x * x, ROUNDING],
  ["sqrt", ops.sqrt, Math.sqrt, ROUNDING],
  ["exp", ops.exp, Math.exp, { relative: 3e-7 }],
  ["log", ops.log, Math.log, { relative: 3e-7, absolute: 1e-7 }],
  ["neg", ops.neg, (x) => -x, {}],
  ["abs", ops.abs, Math.abs, {}],
  ["sign", ops.sign, Math.sign, {}],
  ["step", ops.step, (x) => (x > 0 ? 1 : 0), {}],
  ["tanh", ops.tanh, Math.tanh, { relative: 3e-7 }],
  ["sigmoid", ops.sigmoid, sigmoid, { relative: 1e-6 }],
  ["softplus", ops.softplus, (x) => Math.log1p(Math.exp(x)), { relative: 3e-7, absolute: 1e-7 }],
  ["relu", ops.relu, (x) => Math.max(x, 0), {}],
  ["silu", ops.silu, (x) => x * sigmoid(x), { relative: 1e-6, absolute: 1e-12 }],
  ["gelu", ops.gelu, gelu, { relative: 2e-6, absolute: 1e-7 }],
  ["geluFast", ops.geluFast, gelu, { absolute: 2e-3, relative: 1e-3 }],
  ["scale", (x) => ops.scale(x, 0.5, -3), (x) => 0.5 * x - 3, { absolute: 1e-6 }],
  ["scale without offset", (x) => ops.scale(x, -2), (x) => -2 * x, {}],
  [
    "clamp",
    (x) => ops.clamp(x, { min: -0.25, max: 1 }),
    (x) => Math.min(1, Math.max(-0.25, x)),
    {},
  ],
];

describe("functions of one value", () => {
  for (const [name, op, f, tolerance] of UNARY)
    it(`${name} of any view`, async () => {
      await fc.assert(
        fc.asyncProperty(views({ scale: 8 }), async (view) => {
          const [found] = await evaluate((x) => op(takeView(view, x)), [view.base]);
          expectClose(found!, mapValues(view.values, f), tolerance);
        }),
        { numRuns: 15 },
      );
    });

  it("keep infinities and NaN as IEEE 754 has them", async () => {
    const special = { shape: [4], data: Float64Array.of(Infinity, -Infinity, NaN, -0) };
    const [exp, relu, sqr] = await evaluate(
      (x) => [ops.exp(x), ops.relu(x), ops.sqr(x)],
      [special],
    );
    expect([...exp!.data]).toEqual([Infinity, 0, NaN, 1]);
    expect([...sqr!.data]).toEqual([Infinity, Infinity, NaN, 0]);
    expect(relu!.data[0]).toBe(Infinity);
  });

  it("gelu is 0 at 0, x far right of it and 0 far left of it", async () => {
    const [found] = await evaluate(ops.gelu, [
      { shape: [5], data: Float64Array.of(0, 40, -40, 1e4, -1e4) },
    ]);
    expect([...found!.data].map((x) => x + 0)).toEqual([0, 40, 0, 1e4, 0]);
  });

  it("clamp leaves its input as it was", async () => {
    const x = randomValues([3, 5], 1);
    const [, same] = await evaluate(
      (t) => {
        const scaled = ops.scale(t, 1);
        return [ops.clamp(scaled, { min: 0, max: 0 }), scaled];
      },
      [x],
    );
    expectClose(same!, x, {});
  });

  it("refuse numbers that are none, and limits in the wrong order", () => {
    using graph = new Graph(testBackend());
    const x = graph.input("f32", [2]);
    const bad = { code: "bad_input" };
    expect(() => ops.scale(x, NaN)).toThrow(expect.objectContaining(bad));
    expect(() => ops.scale(x, 1, Infinity)).toThrow(expect.objectContaining(bad));
    expect(() => ops.clamp(x, { min: 1, max: 0 })).toThrow(expect.objectContaining(bad));
    expect(() => ops.exp(graph.input("i32", [2]))).toThrow(expect.objectContaining(bad));
  });
});
