import fc from "fast-check";
import { expect, test } from "vitest";
import { passAtK } from "./pass-at-k.ts";

/** C(n, k) by Pascal's rule. */
function choose(n: number, k: number): number {
  return k === 0 ? 1 : n === 0 ? 0 : choose(n - 1, k - 1) + choose(n - 1, k);
}

test("is one minus the share of choices in which every sample fails", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 12 }), fc.nat(), fc.nat(), (samples, a, b) => {
      const passed = a % (samples + 1);
      const k = 1 + (b % samples);
      const exact = 1 - choose(samples - passed, k) / choose(samples, k);
      expect(passAtK({ samples, passed, k })).toBeCloseTo(exact, 12);
    }),
  );
});

test("with k = 1 it is the share that passed; more samples than numbers can count are no problem", () => {
  expect(passAtK({ samples: 200, passed: 50, k: 1 })).toBeCloseTo(0.25, 12);
  expect(passAtK({ samples: 10_000, passed: 1, k: 100 })).toBeCloseTo(0.01, 12);
  expect(passAtK({ samples: 5, passed: 3, k: 3 })).toBe(1);
});

test("refuses what makes no sense", () => {
  for (const [samples, passed, k] of [
    [1, 0, 2],
    [1, 2, 1],
    [3, -1, 1],
    [3, 1, 0],
    [2.5, 1, 1],
  ] as const)
    expect(() => passAtK({ samples, passed, k })).toThrow(/pass@/);
});
