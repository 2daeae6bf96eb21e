import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DTYPES, tensorBytes, type DType } from "./dtypes.ts";
import { dequantizeRows, quantizeRows } from "./quantize.ts";

/** Largest error of a round trip, as a share of the largest magnitude in the row. */
const TOLERANCE: Partial<Record<DType, number>> = {
  f32: 0,
  f16: 5e-4,
  bf16: 4e-3,
  q8_0: 4e-3,
  q6_k: 0.035,
  q5_k: 0.05,
  q5_0: 0.07,
  q5_1: 0.07,
  q4_k: 0.1,
  q4_0: 0.14,
  q4_1: 0.14,
  iq4_nl: 0.2,
};

describe("quantizeRows", () => {
  for (const [dtype, tolerance] of Object.entries(TOLERANCE) as [DType, number][])
    it(`keeps ${dtype} values within ${tolerance} of the row's largest`, async () => {
      await fc.assert(
        fc.asyncProperty(
          fc.float32Array({ minLength: 512, maxLength: 512, min: -8, max: 8, noNaN: true }),
          async (values) => {
            const bytes = await quantizeRows(dtype, values, 256);
            expect(bytes.length).toBe(tensorBytes(dtype, [2, 256]));
            const back = dequantizeRows(dtype, bytes, 512);
            const largest = Math.max(...values.map(Math.abs), 1e-3);
            const worst = Math.max(...values.map((v, i) => Math.abs(v - (back[i] ?? NaN))));
            expect(worst / largest).toBeLessThanOrEqual(tolerance);
          },
        ),
        { numRuns: 25 },
      );
    });

  it("refuses rows that are no whole number of blocks", async () => {
    await expect(quantizeRows("q4_k", new Float32Array(300), 300)).rejects.toMatchObject({
      code: "bad_input",
    });
  });

  it("refuses types that need an importance matrix instead of crashing", async () => {
    await expect(quantizeRows("iq2_xxs", new Float32Array(256), 256)).rejects.toMatchObject({
      code: "unsupported",
    });
  });
});

describe("dequantizeRows", () => {
  it("decodes every quantised type without reading past its bytes", () => {
    for (const dtype of Object.keys(DTYPES) as DType[]) {
      if (DTYPES[dtype].blockSize === 1 || dtype === "q8_1" || dtype === "q8_k") continue;
      const values = dequantizeRows(dtype, new Uint8Array(tensorBytes(dtype, [2, 256])), 512);
      expect(values.length).toBe(512);
    }
  });

  it("refuses too few bytes", () => {
    expect(() => dequantizeRows("q8_0", new Uint8Array(33), 32)).toThrow(/too few/);
  });
});
