import fc from "fast-check";
import { describe, it } from "vitest";
import { checkProduct, productCases } from "../support/f32-product-fuzz.ts";
import { checkQuantizedProduct, quantizedCases } from "../support/quantized-product-fuzz.ts";
import { detectFeatures } from "../../src/kernels/cpu-features.ts";
import { kernelStatus } from "../../src/kernels/kernels.ts";

describe("kernels between guard pages", () => {
  for (const [level, feature] of [
    ["avx512", "avx512bw"],
    ["avx2", "avx2"],
  ] as const)
    it.runIf(detectFeatures()?.has(feature))(
      `compute 35,000 f32 products with ${level}, in any arrangement, and touch nothing else`,
      () => {
        const { kernels } = kernelStatus(level);
        fc.assert(
          fc.property(productCases(25, { level }), (test) => {
            if (kernels !== undefined) checkProduct(kernels, test);
          }),
          { numRuns: 1400 },
        );
      },
      1_200_000,
    );

  const { kernels } = kernelStatus();
  it.runIf(kernels?.multipliesQuantized)(
    "compute 30,000 quantised products, and touch nothing else",
    () => {
      fc.assert(
        fc.property(quantizedCases(25), (test) => {
          if (kernels !== undefined) checkQuantizedProduct(kernels, test);
        }),
        { numRuns: 1200 },
      );
    },
    1_200_000,
  );
});
