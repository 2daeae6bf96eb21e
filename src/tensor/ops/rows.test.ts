import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  at,
  evaluate,
  expectClose,
  mapRows,
  randomValues,
  rowsOf,
  tabulate,
  takeView,
  testBackend,
  views,
} from "../../../test/support/tensors.ts";
import { Graph } from "../graph.ts";
import * as ops from "./index.ts";

const BAD_INPUT = expect.objectContaining({ code: "bad_input" }) as Error;

const sum = (row: Float64Array): number => row.reduce((a, b) => a + b, 0);

function standardized(row: Float64Array, eps: number): Float64Array {
  const mean = sum(row) / row.length;
  const variance = sum(row.map((x) => (x - mean) ** 2)) / row.length;
  return row.map((x) => (x - mean) / Math.sqrt(variance + eps));
}

describe("sums and means", () => {
  it("run over the rows of any view, or over all values", async () => {
    await fc.assert(
      fc.asyncProperty(views(), async (view) => {
        const [sums, means, total] = await evaluate(
          (x) => {
            const v = takeView(view, x);
            return [ops.sumLast(v), ops.meanLast(v), ops.sumAll(v)];
          },
          [view.base],
        );
        const tolerance = { absolute: 1e-5, relative: 1e-6 };
        expectClose(
          sums!,
          mapRows(view.values, (row) => [sum(row)]),
          tolerance,
        );
        expectClose(
          means!,
          mapRows(view.values, (row) => [sum(row) / row.length]),
          tolerance,
        );
        expectClose(
          total!,
          { shape: [1], data: Float64Array.of(sum(view.values.data)) },
          tolerance,
        );
      }),
      { numRuns: 60 },
    );
  });

  it("keep their precision over long rows", async () => {
    const x = randomValues([3, 10_001], 7);
    const [found] = await evaluate(ops.sumLast, [x], { threads: 2 });
    expectClose(
      found!,
      mapRows(x, (row) => [sum(row)]),
      { absolute: 1e-3 },
    );
  });
});

describe("sumTo", () => {
  it("sums any view over the axes along which a shape would be stretched", async () => {
    await fc.assert(
      fc.asyncProperty(views(), fc.nat(15), fc.nat(3), async (view, mask, cut) => {
        const { shape } = view.values;
        const target = shape
          .map((n, i) => ((mask >> i) & 1 ? 1 : n))
          .slice(Math.min(cut, shape.length - 1));
        const [found] = await evaluate((x) => ops.sumTo(takeView(view, x), target), [view.base]);
        const wanted = tabulate(target, () => 0);
        tabulate(shape, (index) => {
          const place = target.reduce((offset, n, i) => {
            const at = index[i + shape.length - target.length] ?? 0;
            return offset * n + (n === 1 ? 0 : at);
          }, 0);
          wanted.data[place] = (wanted.data[place] ?? 0) + at(view.values, index);
          return 0;
        });
        expectClose(found!, wanted, { absolute: 1e-5 });
      }),
      { numRuns: 80 },
    );
  });

  it("refuses shapes that do not stretch to it", () => {
    using graph = new Graph(testBackend());
    const x = graph.input("f32", [2, 3]);
    for (const shape of [[2], [4, 3], [1, 2, 3]])
      expect(() => ops.sumTo(x, shape)).toThrow(BAD_INPUT);
  });
});

describe("takeAlong and putAlong", () => {
  it("read and write a group of values of each row", async () => {
    await fc.assert(
      fc.asyncProperty(
        views({ minRank: 2, maxRank: 2, maxSize: 9 }),
        fc.integer({ min: 1, max: 3 }),
        fc.nat(),
        async (view, width, seed) => {
          const [r = 1, n = 1] = view.values.shape;
          const x = tabulate(
            [r, n * width],
            ([i = 0, j = 0]) => at(view.values, [i, Math.floor(j / width)]) * 2 ** (j % width),
          );
          const ids = Array.from({ length: r }, (_, i) => (seed + 5 * i) % n);
          const values = randomValues([r, width], seed);
          const [taken, put] = await evaluate(
            (t, i, v) => [ops.takeAlong(t, i, width), ops.putAlong(ops.scale(t, 1), v, i)],
            [x, { shape: [r], data: Float64Array.from(ids), dtype: "i32" }, values],
          );
          const first = (i: number): number => (ids[i] ?? 0) * width;
          const picked = tabulate([r, width], ([i = 0, j = 0]) => at(x, [i, first(i) + j]));
          expectClose(taken!, picked, {});
          const written = tabulate(x.shape, ([i = 0, j = 0]) =>
            j >= first(i) && j < first(i) + width ? at(values, [i, j - first(i)]) : at(x, [i, j]),
          );
          expectClose(put!, written, {});
        },
      ),
      { numRuns: 60 },
    );
  });

  it("refuse ids and groups that do not fit", () => {
    using graph = new Graph(testBackend());
    const [x, ids] = [graph.input("f32", [3, 8]), graph.input("i32", [3])];
    for (const call of [
      () => ops.takeAlong(x, ids, 3),
      () => ops.takeAlong(x, ids, 0),
      () => ops.takeAlong(x, graph.input("i32", [2])),
      () => ops.takeAlong(x, graph.input("f32", [3])),
      () => ops.putAlong(x, graph.input("f32", [3, 3]), ids),
      () => ops.putAlong(x, graph.input("f32", [2, 2]), ids),
      () => ops.putAlong(x, graph.input("f32", [3]), ids),
    ])
      expect(call).toThrow(BAD_INPUT);
  });
});

describe("argmax", () => {
  it("finds the largest value of each row of any view", async () => {
    await fc.assert(
      fc.asyncProperty(views(), async (view) => {
        const [found] = await evaluate((x) => ops.argmax(takeView(view, x)), [view.base]);
        const wanted = rowsOf(view.values).map((row) => row.indexOf(Math.max(...row)));
        const lead = view.values.shape.slice(0, -1);
        const shape = lead.length === 0 ? [1] : lead;
        expectClose(found!, { shape, data: Float64Array.from(wanted) }, {});
      }),
      { numRuns: 60 },
    );
  });
});

describe("standardize, layerNorm and rmsNorm", () => {
  it("normalise the rows of any view", async () => {
    await fc.assert(
      fc.asyncProperty(views({ maxSize: 9 }), fc.nat(), async (view, seed) => {
        const width = view.values.shape.at(-1) ?? 1;
        const [weight, bias] = [randomValues([width], seed), randomValues([width], seed + 1)];
        const eps = 1e-3;
        const [plain, layer, rms] = await evaluate(
          (x, w, b) => {
            const v = takeView(view, x);
            return [
              ops.standardize(v, eps),
              ops.layerNorm(v, { weight: w, bias: b, eps }),
              ops.rmsNorm(v, { weight: w, eps }),
            ];
          },
          [view.base, weight, bias],
        );
        const tolerance = { absolute: 2e-5, relative: 1e-5 };
        const affine = (row: Float64Array, shift: boolean): Float64Array =>
          row.map((x, i) => x * (weight.data[i] ?? NaN) + (shift ? (bias.data[i] ?? NaN) : 0));
        expectClose(
          plain!,
          mapRows(view.values, (row) => standardized(row, eps)),
          tolerance,
        );
        expectClose(
          layer!,
          mapRows(view.values, (row) => affine(standardized(row, eps), true)),
          tolerance,
        );
        expectClose(
          rms!,
          mapRows(view.values, (row) => {
            const scale = 1 / Math.sqrt(sum(row.map((x) => x * x)) / row.length + eps);
            return affine(
              row.map((x) => x * scale),
              false,
            );
          }),
          tolerance,
        );
      }),
      { numRuns: 60 },
    );
  });

  it("refuse an eps that is negative or no number", () => {
    using graph = new Graph(testBackend());
    const x = graph.input("f32", [2, 3]);
    for (const eps of [-1e-5, NaN, Infinity]) {
      expect(() => ops.standardize(x, eps)).toThrow(BAD_INPUT);
      expect(() => ops.rmsNorm(x, { weight: x, eps })).toThrow(BAD_INPUT);
    }
  });
});

describe("takeRows and putRows", () => {
  it("read rows of a table, in any order and more than once", async () => {
    await fc.assert(
      fc.asyncProperty(
        views({ minRank: 2, maxRank: 2, maxSize: 12 }),
        fc.array(fc.nat(), { minLength: 1, maxLength: 9 }),
        async (view, picks) => {
          const [v = 1, d = 1] = view.values.shape;
          const ids = picks.map((n) => n % v);
          const [found] = await evaluate(
            (x, i) => ops.takeRows(takeView(view, x), i),
            [view.base, { shape: [ids.length], data: Float64Array.from(ids), dtype: "i32" }],
          );
          const rows = rowsOf(view.values);
          const data = Float64Array.from(ids.flatMap((id) => [...(rows[id] ?? [])]));
          expectClose(found!, { shape: [ids.length, d], data }, {});
        },
      ),
      { numRuns: 60 },
    );
  });

  it("write rows of any view over those of a table", async () => {
    await fc.assert(
      fc.asyncProperty(
        views({ minRank: 2, maxRank: 2 }),
        fc.constantFrom("i32" as const, "i64" as const),
        fc.nat(),
        async (view, dtype, seed) => {
          const [r = 1, d = 1] = view.values.shape;
          const table = randomValues([r + 3, d], seed);
          const ids = Array.from({ length: r }, (_, i) => (i * 2 + seed) % (r + 3));
          const unique = new Set(ids).size === r ? ids : ids.map((_, i) => i + (seed % 4));
          const [found] = await evaluate(
            (t, x, i) => ops.putRows(ops.scale(t, 1), takeView(view, x), i),
            [table, view.base, { shape: [r], data: Float64Array.from(unique), dtype }],
          );
          const wanted = rowsOf(table).map((row) => [...row]);
          rowsOf(view.values).forEach((row, i) => (wanted[unique[i] ?? 0] = [...row]));
          expectClose(found!, { shape: table.shape, data: Float64Array.from(wanted.flat()) }, {});
        },
      ),
      { numRuns: 60 },
    );
  });

  it("refuse tables, rows and ids that do not fit", () => {
    using graph = new Graph(testBackend());
    const table = graph.input("f32", [4, 3]);
    const ids = graph.input("i32", [2]);
    const rows = graph.input("f32", [2, 3]);
    for (const call of [
      () => ops.takeRows(table, rows),
      () => ops.takeRows(graph.input("f32", [4]), ids),
      () => ops.takeRows(graph.input("q8_1", [4, 32]), ids),
      () => ops.takeRows(graph.input("i64", [4, 3]), ids),
      () => ops.putRows(table, graph.input("f32", [2, 4]), ids),
      () => ops.putRows(table, graph.input("f32", [3, 3]), ids),
      () => ops.putRows(table, graph.input("f16", [2, 3]), ids),
      () => ops.putRows(table, rows, rows),
      () => ops.putRows(ops.transpose(graph.input("f32", [3, 4])), rows, ids),
      () => ops.putRows(graph.input("iq2_xxs", [4, 256]), graph.input("f32", [2, 256]), ids),
      () => ops.assign(graph.input("iq1_s", [1, 256]), graph.input("f32", [256])),
      () => ops.assign(table, rows),
    ])
      expect(call).toThrow(BAD_INPUT);
  });
});

describe("topK", () => {
  it("finds the largest values of each row of any view", async () => {
    await fc.assert(
      fc.asyncProperty(views({ minRank: 2, maxRank: 2 }), fc.nat(), async (view, n) => {
        const k = 1 + (n % (view.values.shape[1] ?? 1));
        const [found] = await evaluate((x) => ops.topK(takeView(view, x), k).values, [view.base]);
        const largest = (row: ArrayLike<number>): number[] =>
          Array.from(row)
            .sort((a, b) => b - a)
            .slice(0, k);
        const sorted = rowsOf(found!).flatMap((row) => largest(row));
        const data = Float64Array.from(sorted);
        const wanted = Float64Array.from(rowsOf(view.values).flatMap((row) => largest(row)));
        expectClose({ shape: found!.shape, data }, { shape: found!.shape, data: wanted }, {});
      }),
      { numRuns: 60 },
    );
  });

  it("refuses what has no rows, and more values than a row has", () => {
    using graph = new Graph(testBackend());
    expect(() => ops.topK(graph.input("f32", [2, 3, 4]), 1)).toThrow(BAD_INPUT);
    expect(() => ops.topK(graph.input("f32", [2, 3]), 4)).toThrow(BAD_INPUT);
    expect(() => ops.topK(graph.input("i32", [2, 3]), 1)).toThrow(BAD_INPUT);
  });
});

describe("topKMask", () => {
  it("has exactly k ones in each row of any view, at its largest values, also among equal ones", async () => {
    await fc.assert(
      fc.asyncProperty(views({ minRank: 2, maxRank: 2 }), fc.nat(), async (view, n) => {
        const k = 1 + (n % (view.values.shape[1] ?? 1));
        const rounded = { ...view.base, data: view.base.data.map(Math.round) };
        const [mask, x] = await evaluate(
          (t) => [ops.topKMask(takeView(view, t), k).mask, ops.scale(takeView(view, t), 1)],
          [rounded],
        );
        rowsOf(mask!).forEach((row, i) => {
          const values = rowsOf(x!)[i]!;
          const inside = [...values].filter((_, j) => row[j] === 1);
          const outside = [...values].filter((_, j) => row[j] === 0);
          expect([inside.length, outside.length]).toEqual([k, values.length - k]);
          expect(Math.min(...inside)).toBeGreaterThanOrEqual(Math.max(...outside));
        });
      }),
      { numRuns: 60 },
    );
  });
});
