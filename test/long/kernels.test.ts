/** A hundred thousand random calls of kernels between pages that nobody may touch. */
import fc from "fast-check";
import { describe, it } from "vitest";
import { detectFeatures } from "../../src/kernels/cpu-features.ts";
import { Kernels, kernelStatus } from "../../src/kernels/kernels.ts";
import { checkProduct, productCases } from "../support/f32-product-fuzz.ts";
import { checkSoftmax, softmaxCases } from "../support/masked-softmax-fuzz.ts";
import {
  checkQuantizedProduct,
  checkTransposedProduct,
  quantizedCases,
} from "../support/quantized-product-fuzz.ts";
import { ROW_KERNELS, rowCases } from "../support/row-kernel-fuzz.ts";

const MOST_MS = 1_800_000;
/** Calls of one product's kernel, each with another number of rows. */
const CALLS = 25;

/** Checks `runs` random cases on the kernels of a level, where there are such. */
function check<T>(
  title: string,
  { level, runs, has = () => true }: Call,
  [cases, verify]: readonly [fc.Arbitrary<T>, (kernels: Kernels, test: T) => void],
): void {
  const { kernels } = kernelStatus(level);
  const features = detectFeatures();
  it.runIf(kernels !== undefined && has(kernels))(
    title,
    () => {
      if (features === undefined) return;
      // Kernels of its own: they assemble some thousands and then leave the rest to ggml.
      const fresh = new Kernels(level, features);
      const property = fc.property(cases, (test) => verify(fresh, test));
      fc.assert(property, { numRuns: runs });
    },
    MOST_MS,
  );
}

interface Call {
  level: "avx512" | "avx2";
  runs: number;
  /** Whether these kernels include the one that is checked. */
  has?: (kernels: Kernels) => boolean;
}

describe("kernels between guard pages compute, and touch nothing else:", () => {
  for (const level of ["avx512", "avx2"] as const) {
    check(`20,000 f32 products in any arrangement with ${level}`, { level, runs: 800 }, [
      productCases(CALLS, { level }),
      checkProduct,
    ]);
    const has = (kernels: Kernels): boolean => kernels.multipliesQuantized;
    check(`15,000 quantised products with ${level}`, { level, runs: 600, has }, [
      quantizedCases(CALLS),
      checkQuantizedProduct,
    ]);
  }
  const level = "avx512";
  const [multipliesBf16, readsPacked] = [
    (kernels: Kernels): boolean => kernels.multipliesBf16,
    (kernels: Kernels): boolean => kernels.readsPacked,
  ];
  check("10,000 products of bf16 pairs", { level, runs: 400, has: multipliesBf16 }, [
    productCases(CALLS, { level, pairs: true }),
    checkProduct,
  ]);
  check("5,000 products along packed rows", { level, runs: 200, has: readsPacked }, [
    quantizedCases(CALLS),
    checkTransposedProduct,
  ]);
  check("3,000 masked softmaxes", { level, runs: 3000 }, [softmaxCases(), checkSoftmax]);
  for (const [what, verify] of Object.entries(ROW_KERNELS))
    check(`3,000 times ${what}`, { level, runs: 3000 }, [rowCases(), verify]);
});
