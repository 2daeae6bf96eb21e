import { expect, it } from "vitest";
import { accountOperations } from "./operation-account.ts";

it("adds up operations of one name, and counts them against the bandwidth", () => {
  const time = (operation: string, ms: number, flops: number, bytes: number) => ({
    ...{ operation, ms, flops, bytes },
    shapes: [],
    arithmetic: "f32" as const,
  });
  const times = [time("ADD", 2, 0, 1e6), time("MUL_MAT", 5, 1e9, 2e6), time("ADD", 1, 0, 1e6)];
  const found = accountOperations(times, { bandwidth: 1e9, arithmetic: { f32: 4e11 } });
  expect(found.map(({ operation, count, ms }) => [operation, count, ms])).toEqual([
    ["MUL_MAT", 1, 5],
    ["ADD", 2, 3],
  ]);
  expect(found[0]).toMatchObject({ share: 5 / 8, flops: 2e11, bytesPerSecond: 4e8 });
  expect(found.map(({ arithmeticShare }) => arithmeticShare)).toEqual([0.5, undefined]);
  expect(found[0]?.bandwidthShare).toBeCloseTo(0.4);
  expect(found[1]?.bandwidthShare).toBeCloseTo(2 / 3);
});

it("tells no rate of calls that are too short for the clock", () => {
  const times = [
    { operation: "ROPE", shapes: [], ms: 0.001, bytes: 1e4, flops: 0, arithmetic: "f32" as const },
  ];
  const [found] = accountOperations(times, { bandwidth: 1e9, arithmetic: {} });
  expect(found).toMatchObject({ bytesPerSecond: undefined, bandwidthShare: undefined, share: 1 });
});
