import { expect, it } from "vitest";
import { Backend } from "../engine/backend.ts";
import { arithmeticPeak, productSpeed, readBandwidth } from "./probe.ts";

it("measures a read bandwidth and a product speed that a computer can have", async () => {
  using backend = new Backend({ threads: 2 });
  const bytesPerSecond = await readBandwidth(backend, { sizeBytes: 2 ** 24, repeats: 1 });
  expect(bytesPerSecond).toBeGreaterThan(1e8);
  expect(bytesPerSecond).toBeLessThan(1e13);
  const flops = await productSpeed(backend, { dtype: "q8_0", m: 256, k: 256, n: 8, repeats: 1 });
  expect(flops).toBeGreaterThan(1e7);
  expect(flops).toBeLessThan(1e15);
  for (const arithmetic of ["f32", "bf16", "int8"] as const) {
    const peak = await arithmeticPeak(backend, arithmetic, { repeats: 1 });
    if (peak === undefined) continue;
    expect(peak).toBeGreaterThan(1e8);
    expect(peak).toBeLessThan(1e15);
  }
});
