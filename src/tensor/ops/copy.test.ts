import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  at,
  evaluate,
  expectClose,
  randomValues,
  roundTo,
  shapes,
  tabulate,
  takeView,
  testBackend,
  views,
} from "../../../test/support/tensors.ts";
import { DTYPES, type DType } from "../../engine/dtypes.ts";
import { Graph } from "../graph.ts";
import type { Shape } from "../shape.ts";
import type { Tensor } from "../tensor.ts";
import * as ops from "./index.ts";

const BAD_INPUT = expect.objectContaining({ code: "bad_input" }) as Error;

describe("broadcastTo", () => {
  it("repeats values along axes of size 1 and new leading axes", async () => {
    await fc.assert(
      fc.asyncProperty(views({ maxRank: 3 }), shapes(), fc.nat(15), async (view, sizes, mask) => {
        const { shape } = view.values;
        const rank = Math.max(shape.length, Math.min(4, sizes.length));
        const target = Array.from({ length: rank }, (_, i) => {
          const n = shape[i - rank + shape.length] ?? 1;
          return n === 1 && (mask >> i) & 1 ? (sizes[i] ?? 3) : n;
        });
        const [found] = await evaluate(
          (x) => ops.broadcastTo(takeView(view, x), target),
          [view.base],
        );
        expectClose(
          found!,
          tabulate(target, (index) => at(view.values, index)),
          {},
        );
      }),
      { numRuns: 60 },
    );
  });

  it("refuses shapes that do not fit", () => {
    using graph = new Graph(testBackend());
    const x = graph.input("f32", [2, 3]);
    for (const shape of [[4, 3], [3], [2, 3, 1], [2, 0]])
      expect(() => ops.broadcastTo(x, shape)).toThrow(BAD_INPUT);
  });
});

describe("concat and padEnd", () => {
  it("append another tensor, or zeros, to any view", async () => {
    await fc.assert(
      fc.asyncProperty(
        views({ maxSize: 4 }),
        fc.nat(3),
        fc.integer({ min: 1, max: 4 }),
        fc.nat(),
        async (view, axisChoice, amount, seed) => {
          const { shape } = view.values;
          const axis = axisChoice % shape.length;
          const size = shape[axis] ?? 1;
          const other = randomValues(
            shape.map((n, i) => (i === axis ? amount : n)),
            seed,
          );
          const [joined, padded, shifted] = await evaluate(
            (x, y) => {
              const v = takeView(view, x);
              return [
                ops.concat(v, y, { axis }),
                ops.padEnd(v, { axis: axis - shape.length, amount }),
                ops.pad(v, { axis, before: 2, after: amount }),
              ];
            },
            [view.base, other],
          );
          const long = shape.map((n, i) => (i === axis ? n + amount : n));
          const from = (index: readonly number[], values: (shifted: number[]) => number): number =>
            (index[axis] ?? 0) < size
              ? at(view.values, index)
              : values(index.map((n, i) => (i === axis ? n - size : n)));
          expectClose(
            joined!,
            tabulate(long, (index) => from(index, (i) => at(other, i))),
            {},
          );
          expectClose(
            padded!,
            tabulate(long, (index) => from(index, () => 0)),
            {},
          );
          const moved = (index: readonly number[]): number[] =>
            index.map((n, i) => (i === axis ? n - 2 : n));
          const longer = long.map((n, i) => (i === axis ? n + 2 : n));
          expectClose(
            shifted!,
            tabulate(longer, (index) => ((index[axis] ?? 0) < 2 ? 0 : from(moved(index), () => 0))),
            {},
          );
        },
      ),
      { numRuns: 80 },
    );
  });

  it("refuse shapes, axes and amounts that do not fit", () => {
    using graph = new Graph(testBackend());
    const x = graph.input("f32", [2, 3]);
    const y = graph.input("f32", [2, 4]);
    for (const call of [
      () => ops.concat(x, y, { axis: 0 }),
      () => ops.concat(x, y, { axis: 2 }),
      () => ops.concat(x, graph.input("f32", [2]), { axis: 0 }),
      () => ops.concat(x, graph.input("f16", [2, 3]), { axis: 0 }),
      () => ops.padEnd(x, { axis: 0, amount: -1 }),
      () => ops.padEnd(x, { axis: 0, amount: 0.5 }),
      () => ops.padEnd(x, { axis: -3, amount: 1 }),
    ])
      expect(call).toThrow(BAD_INPUT);
    expect(() => ops.padEnd(x, { axis: 0, amount: 2 ** 40 })).toThrow(/more than/);
    expect(ops.concat(x, y, { axis: -1 }).shape).toEqual([2, 7]);
  });
});

describe("cast", () => {
  it("rounds views to 16 bits as IEEE 754 does, and back", async () => {
    for (const dtype of ["f16", "bf16"] as const)
      await fc.assert(
        fc.asyncProperty(views(), async (view) => {
          const [found] = await evaluate(
            (x) => ops.cast(ops.cast(takeView(view, x), dtype), "f32"),
            [view.base],
          );
          expectClose(found!, await roundTo(dtype, view.values), {});
        }),
        { numRuns: 25 },
      );
  });

  it("decodes every type that has values, and refuses the others", async () => {
    using graph = new Graph(testBackend());
    for (const dtype of Object.keys(DTYPES) as DType[]) {
      const shape: Shape = [2, 256];
      const tensor = graph.input(dtype, shape);
      if (["i8", "i16", "i32", "i64", "f64", "q8_1", "q8_k"].includes(dtype)) {
        expect(() => ops.cast(tensor, "f32"), dtype).toThrow(BAD_INPUT);
        continue;
      }
      graph.output(ops.cast(tensor, "f32"), ops.cast(tensor, "f16"), ops.cast(tensor, "bf16"));
    }
    graph.allocate();
    await graph.compute();
    expect(() => ops.cast(graph.input("f32", [32]), "q8_0")).toThrow();
  });

  it("decodes the values that a quantised type holds", async () => {
    const x = randomValues([3, 2, 64], 5);
    for (const dtype of ["q8_0", "q4_0", "q5_1", "iq4_nl"] as const) {
      const [all, part] = await evaluate(
        (t): Tensor[] => [
          ops.cast(t, "f32"),
          ops.cast(ops.slice(t, { axis: 2, start: 32, length: 32 }), "f32"),
        ],
        [{ ...x, dtype }],
      );
      const wanted = await roundTo(dtype, x);
      expectClose(all!, wanted, {});
      expectClose(
        part!,
        tabulate([3, 2, 32], ([i = 0, j = 0, k = 0]) => at(wanted, [i, j, k + 32])),
        {},
      );
    }
  });
});
