import fc from "fast-check";
import { describe, it } from "vitest";
import { checkProduct, productCases } from "../../test/support/f32-product-fuzz.ts";
import { detectFeatures } from "./cpu-features.ts";
import { kernelStatus } from "./kernels.ts";

describe("the f32 product", () => {
  for (const [level, feature] of [
    ["avx512", "avx512bw"],
    ["avx2", "avx2"],
  ] as const)
    it.runIf(detectFeatures()?.has(feature))(
      `multiplies in any arrangement, and touches nothing else, with ${level}`,
      () => {
        const { kernels } = kernelStatus(level);
        fc.assert(
          fc.property(productCases(3, { level }), (test) => {
            if (kernels !== undefined) checkProduct(kernels, test);
          }),
          { numRuns: 100 },
        );
      },
    );

  const { kernels } = kernelStatus("");
  it.runIf(kernels?.multipliesBf16)(
    "multiplies pairs of bf16 numbers in any arrangement, and touches nothing else",
    () => {
      fc.assert(
        fc.property(productCases(3, { level: "avx512", pairs: true }), (test) => {
          if (kernels !== undefined) checkProduct(kernels, test);
        }),
        { numRuns: 100 },
      );
    },
  );
});
