import { expect, it } from "vitest";
import { accountOperations } from "./operation-account.ts";

it("adds up operations of one name, and counts them against the bandwidth", () => {
  const time = (operation: string, ms: number, flops: number, bytes: number) => ({
    ...{ operation, ms, flops, bytes },
    shapes: [],
  });
  const times = [time("ADD", 2, 0, 1e6), time("MUL_MAT", 5, 1e9, 2e6), time("ADD", 1, 0, 1e6)];
  const found = accountOperations(times, { bandwidth: 1e9 });
  expect(found.map(({ operation, count, ms }) => [operation, count, ms])).toEqual([
    ["MUL_MAT", 1, 5],
    ["ADD", 2, 3],
  ]);
  expect(found[0]).toMatchObject({ share: 5 / 8, flops: 2e11, bytesPerSecond: 4e8 });
  expect(found[0]?.bandwidthShare).toBeCloseTo(0.4);
  expect(found[1]?.bandwidthShare).toBeCloseTo(2 / 3);
});
