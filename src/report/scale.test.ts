import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createAxis, linearTicks, logTicks } from "./scale.ts";

const labels = (ticks: readonly { label: string }[]) => ticks.map(({ label }) => label);

describe("marks on an axis", () => {
  test.each([
    [0, 1, ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]],
    [-0.1, 0.1, ["−0.10", "−0.05", "0.00", "0.05", "0.10"]],
    [0, 4000, ["0", "1,000", "2,000", "3,000", "4,000"]],
    [0, 3e6, ["0", "500,000", "1M", "1.5M", "2M", "2.5M", "3M"]],
  ])("from %d to %d are round", (low, high, expected) => {
    expect(labels(linearTicks(low, high, 5))).toEqual(expected);
  });

  test.each([
    [1, 10_000, ["1", "10", "100", "1,000", "10,000"]],
    [1, 100, ["1", "2", "5", "10", "20", "50", "100"]],
    [3, 11, ["3", "4", "5", "6", "7", "8", "9", "10", "11"]],
    [1e-5, 1, ["1e-5", "0.0001", "0.001", "0.01", "0.1", "1"]],
  ])("of a logarithmic axis from %d to %d are powers, or round", (low, high, expected) => {
    expect(labels(logTicks(low, high, 6))).toEqual(expected);
  });

  test("stand within the axis, in order, a few of them, no two with one label", () => {
    const value = fc.double({ min: -1e6, max: 1e6, noNaN: true });
    fc.assert(
      fc.property(value, fc.double({ min: 1e-3, max: 1e6, noNaN: true }), (low, span) => {
        const ticks = linearTicks(low, low + span, 5);
        expect(ticks.length).toBeGreaterThanOrEqual(2);
        expect(ticks.length).toBeLessThanOrEqual(9);
        expect(new Set(labels(ticks)).size).toBe(ticks.length);
        for (const tick of ticks) {
          expect(tick.value).toBeGreaterThanOrEqual(low - span * 1e-6);
          expect(tick.value).toBeLessThanOrEqual(low + span * (1 + 1e-6));
        }
      }),
    );
  });
});

describe("an axis", () => {
  test("runs from one end to the other", () => {
    const axis = createAxis({ low: 0, high: 10, from: 100, to: 0 });
    expect([0, 5, 10].map(axis.position)).toEqual([100, 50, 0]);
  });

  test("moves its ends out to round numbers when asked", () => {
    const { low, high } = createAxis({ low: 0.13, high: 0.97, from: 0, to: 1, nice: true });
    expect([low, high]).toEqual([0, 1]);
  });

  test("marks no layer and a half", () => {
    const { ticks } = createAxis({ low: 0, high: 4, from: 0, to: 1, count: 8, whole: true });
    expect(labels(ticks)).toEqual(["0", "1", "2", "3", "4"]);
  });

  test("gives a single value room", () => {
    expect(createAxis({ low: 3, high: 3, from: 0, to: 1 }).position(3)).toBeCloseTo(0.5);
  });

  test("has no place for zero where it is logarithmic", () => {
    expect(createAxis({ low: 1, high: 10, from: 0, to: 1, log: true }).position(0)).toBeNaN();
  });
});
