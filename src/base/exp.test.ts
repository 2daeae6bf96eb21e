import fc from "fast-check";
import { expect, test } from "vitest";

import { expOfNonPositive } from "./exp.ts";

test.each([
  [-1e-3, 2e-14],
  [-64, 2e-14],
  [-700, 2e-13],
])("equals Math.exp down to %d, with a relative error below %d", (min, error) => {
  fc.assert(
    fc.property(fc.double({ min, max: 0, noNaN: true }), (x) => {
      expect(Math.abs(expOfNonPositive(x) / Math.exp(x) - 1)).toBeLessThan(error);
    }),
    { numRuns: 5000 },
  );
});

test("is exact at 0, and goes to 0 without ever being negative or infinite", () => {
  expect(expOfNonPositive(0)).toBe(1);
  expect(expOfNonPositive(-0)).toBe(1);
  expect(expOfNonPositive(-Infinity)).toBe(0);
  expect(expOfNonPositive(-Number.MAX_VALUE)).toBe(0);
  expect(expOfNonPositive(Number.NaN)).toBeNaN();
  for (let x = -690; x > -760; x -= 0.37)
    expect(Math.abs(expOfNonPositive(x) - Math.exp(x))).toBeLessThan(1e-307);
});
