import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  GuardedMemory,
  KernelCaller,
  readFloats,
  writeFloats,
} from "../../test/support/guarded-memory.ts";
import { Random } from "../base/random.ts";
import { kernelStatus } from "./kernels.ts";

const { kernels } = kernelStatus("");
const usable = kernels?.level === "avx512" ? kernels : undefined;
const k = 2 * Math.sqrt(2 / Math.PI);
const c = 0.044715 * k;
const [inputs, outputs] = [new GuardedMemory(2 ** 15), new GuardedMemory(2 ** 15)];
const caller = new KernelCaller();

describe("GELU", () => {
  it.runIf(usable)(
    "is what the formula says for rows of any length, and touches nothing else",
    () => {
      fc.assert(
        fc.property(
          fc.integer({ min: 1, max: 70 }),
          fc.integer({ min: 1, max: 5 }),
          fc.integer({ min: 1, max: 3 }),
          fc.constantFrom("start" as const, "end" as const),
          fc.nat(1000),
          (width, rows, threads, at, seed) => {
            const random = new Random(seed);
            const values = Float32Array.from({ length: width * rows }, () => 4 * random.normal());
            const x = inputs.place(4 * values.length, at);
            writeFloats(x, values);
            const y = outputs.place(4 * values.length, at);
            caller.call(usable?.gelu(width, { k, c }) ?? 0n, {
              out: { address: y.address, ne: [width, rows] },
              inputs: [x],
              threads,
            });
            expect(y.isUntouchedOutside()).toBe(true);
            readFloats(y).forEach((found, i) => {
              const v = values[i] ?? NaN;
              const wanted = v / (1 + Math.exp(-k * v - c * v ** 3));
              expect(Math.abs(found - wanted)).toBeLessThan(1e-7 + 2e-6 * Math.abs(wanted));
            });
          },
        ),
        { numRuns: 100 },
      );
    },
  );
});
