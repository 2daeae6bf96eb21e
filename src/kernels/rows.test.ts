import fc from "fast-check";
import { describe, it } from "vitest";
import { ROW_KERNELS, rowCases } from "../../test/support/row-kernel-fuzz.ts";
import { kernelStatus } from "./kernels.ts";

const { kernels } = kernelStatus("");
const usable = kernels?.level === "avx512" ? kernels : undefined;

describe("kernels over rows of any length", () => {
  for (const [what, check] of Object.entries(ROW_KERNELS))
    it.runIf(usable)(`compute ${what} as the formula says, and touch nothing else`, () => {
      fc.assert(
        fc.property(rowCases(), (test) => {
          if (usable !== undefined) check(usable, test);
        }),
        { numRuns: 100 },
      );
    });
});
