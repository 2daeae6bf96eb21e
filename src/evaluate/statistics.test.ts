import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Random } from "../base/random.ts";
import { groupResult, type TaskResult } from "./results.ts";
import {
  aggregate,
  bootstrapInterval,
  comparePaired,
  pooledError,
  standardError,
} from "./statistics.ts";

const coins = (n: number, p: number, seed: number): number[] => {
  const random = new Random(seed);
  return Array.from({ length: n }, () => Number(random.uniform() < p));
};

describe("intervals", () => {
  it("of a bootstrap agree with two standard errors", () => {
    const values = coins(400, 0.3, 1);
    const [low, high] = bootstrapInterval(
      values.map((value) => [value]),
      "mean",
    );
    expect((high - low) / (4 * 0.98 * standardError(values))).toBeCloseTo(1, 0);
  });

  it("hold the truth about as often as they say", () => {
    let held = 0;
    for (let seed = 0; seed < 60; seed++) {
      const rows = coins(100, 0.4, seed).map((value) => [value]);
      const [low, high] = bootstrapInterval(rows, "mean", { seed });
      if (low <= 0.4 && high >= 0.4) held++;
    }
    expect(held).toBeGreaterThan(52);
  });
});

describe("a paired comparison", () => {
  it("sees a small difference that items share, where unpaired errors would hide it", () => {
    const first = coins(300, 0.5, 2);
    const second = first.map((value, i) => (i % 20 === 0 ? 1 : value));
    const { difference, interval, pValue } = comparePaired(first, second);
    expect(difference).toBeCloseTo(
      second.reduce((a, b) => a + b, 0) / 300 - first.reduce((a, b) => a + b, 0) / 300,
    );
    expect(interval[0]).toBeGreaterThan(0);
    expect(pValue).toBeLessThan(0.05);
  });

  it("sees none between equal runs, and rarely between equal models", () => {
    expect(comparePaired([1, 0, 1], [1, 0, 1])).toMatchObject({ difference: 0, pValue: 1 });
    let found = 0;
    for (let seed = 0; seed < 40; seed++)
      if (comparePaired(coins(80, 0.5, seed), coins(80, 0.5, seed + 1000), { seed }).pValue < 0.05)
        found++;
    expect(found).toBeLessThan(8);
  });
});

describe("groups", () => {
  it("weighted by items have the error of all items together, but for degrees of freedom, where each task has the same mean", () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 2, max: 60 }), { minLength: 2, maxLength: 6 }),
        (halves) => {
          const tasks = halves.map((half) => Array.from({ length: 2 * half }, (_, i) => i % 2));
          const errors = tasks.map(standardError);
          const sizes = tasks.map((task) => task.length);
          const together = standardError(tasks.flat());
          const N = tasks.flat().length;
          const ratio = Math.sqrt((N - 1) / (N - tasks.length));
          expect(pooledError(errors, sizes) / together).toBeCloseTo(ratio, 10);
        },
      ),
    );
  });

  it("take the metric that a member has, SQuAD's percents as shares, and nothing where one is missing", () => {
    const result = (values: Record<string, number>): TaskResult => ({
      values,
      errors: { ...values },
      intervals: {},
      size: 10,
    });
    const results = new Map([
      ["a", result({ "acc,none": 0.5, "acc_norm,none": 0.9 })],
      ["b", result({ "exact,none": 70 })],
    ]);
    const group = {
      name: "g",
      members: [{ task: "a" }, { task: "b" }],
      metric: { name: "score", keys: ["acc,none", "exact,none"], weightBySize: false },
    };
    expect(groupResult(group, results)?.value).toBeCloseTo(0.6);
    expect(
      groupResult({ ...group, members: [...group.members, { task: "c" }] }, results),
    ).toBeUndefined();
  });
});

describe("aggregations", () => {
  it("of perplexity count words and bytes, not items", () => {
    const rows = [
      [-10, 5],
      [-2, 7],
    ];
    expect(aggregate("weighted_perplexity", rows)).toBeCloseTo(Math.E);
    expect(aggregate("bits_per_byte", rows)).toBeCloseTo(1 / Math.LN2);
  });

  it("of SQuAD's best score are at least those of every threshold", () => {
    const row = fc.tuple(
      fc.constantFrom(0, 1),
      fc.double({ min: 0, max: 1, noNaN: true }),
      fc.constantFrom(0, 1),
      fc.constant(1),
    );
    fc.assert(
      fc.property(
        fc.uniqueArray(row, { minLength: 1, maxLength: 12, selector: ([, p]) => p }),
        (rows) => {
          // An item without an answer scores where the answer is withheld.
          const items = rows.map(
            ([score, p, has, given]) => [has === 1 ? score : 0, p, has, given] as const,
          );
          const withThreshold = (t: number): number =>
            items.reduce((sum, [score, p, has]) => sum + (p > t ? Number(has === 0) : score), 0);
          const best = Math.max(withThreshold(-1), ...items.map(([, p]) => withThreshold(p)));
          expect(aggregate("squad_best", items)).toBeCloseTo((100 * best) / items.length);
        },
      ),
    );
  });
});
