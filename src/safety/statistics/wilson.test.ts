import { expect, it } from "vitest";
import { wilsonInterval } from "./wilson.ts";

// scipy: binomtest(count, of).proportion_ci(method="wilson")
it.each([
  [0, 12, 0, 0.24249400665524085],
  [12, 12, 0.7575059933447592, 1],
  [3, 10, 0.10779126740630102, 0.6032218525388546],
  [50, 100, 0.4038315303659956, 0.5961684696340044],
])("%i of %i are between %d and %d", (count, of, low, high) => {
  const found = wilsonInterval(count, of);
  expect(found[0]).toBeCloseTo(low, 12);
  expect(Math.min(found[0], 1 - found[1])).toBeGreaterThanOrEqual(0);
  expect(found[1]).toBeCloseTo(high, 12);
});
