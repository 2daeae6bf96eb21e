import fc from "fast-check";
import { describe, expect, it, test } from "vitest";
import { readFixture } from "../../../test/support/golden.ts";
import { mannWhitney } from "./mann-whitney.ts";
import { normalTail } from "./normal.ts";

interface Reference {
  first: number[];
  second: number[];
  u: number;
  p: number;
}

const { tests } = readFixture<{ tests: Reference[] }>("toxigen.json");

describe("the test of Mann and Whitney", () => {
  it("gives the U and the p-values of scipy: exact, with ties, and far out in the tail", () => {
    for (const { first, second, u, p } of tests) {
      const found = mannWhitney(first, second);
      expect(found.u).toBe(u);
      expect(Math.abs(found.pValue - p)).toBeLessThanOrEqual(1e-9 * p);
    }
  });

  it("counts pairs: U of one side and of the other add up to all of them", () => {
    const values = fc.array(fc.integer({ min: 0, max: 20 }), { minLength: 1, maxLength: 30 });
    fc.assert(
      fc.property(values, values, (first, second) => {
        const [one, other] = [mannWhitney(first, second), mannWhitney(second, first)];
        const pairs = first.flatMap((a) => second.map((b) => (a > b ? 1 : a === b ? 0.5 : 0)));
        expect(one.u).toBe(pairs.reduce<number>((sum, pair) => sum + pair, 0));
        expect(one.u + other.u).toBe(first.length * second.length);
        expect(one.pValue).toBeCloseTo(other.pValue, 12);
      }),
    );
  });

  it("refuses an empty side and a NaN", () => {
    expect(() => mannWhitney([], [1])).toThrow("both sides");
    expect(() => mannWhitney([1, NaN], [1])).toThrow("NaN");
  });
});

test("the normal tail is right on both sides of where its two formulas meet", () => {
  // scipy.stats.norm.sf
  for (const [z, p] of [
    [0, 0.5],
    [1, 0.15865525393145707],
    [-1.5, 0.9331927987311419],
    [3.5, 0.00023262907903552504],
    [3.6, 0.00015910859015753364],
    [10, 7.61985302416047e-24],
    [30, 4.906713927148187e-198],
  ] as const)
    expect(Math.abs(normalTail(z) / p - 1)).toBeLessThan(1e-11);
});
