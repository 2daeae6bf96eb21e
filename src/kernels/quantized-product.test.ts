import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  GuardedMemory,
  KernelCaller,
  readFloats,
  writeFloats,
} from "../../test/support/guarded-memory.ts";
import {
  checkQuantizedProduct,
  checkTransposedProduct,
  quantizedCases,
} from "../../test/support/quantized-product-fuzz.ts";
import { activationLayout } from "./activations.ts";
import { kernelStatus } from "./kernels.ts";
import { isPackable } from "./weight-formats.ts";

for (const level of ["avx512", "avx2"] as const) {
  const { kernels } = kernelStatus(level);
  const usable = kernels?.multipliesQuantized === true ? kernels : undefined;

  describe(`the quantised product with ${level}`, () => {
    it.runIf(usable)("multiplies with weights of every type, and touches nothing else", () => {
      fc.assert(
        fc.property(quantizedCases(3), (test) => {
          if (usable !== undefined) checkQuantizedProduct(usable, test);
        }),
        { numRuns: 100 },
      );
    });

    it.runIf(usable?.readsPacked)("multiplies along the rows of the same packed weights", () => {
      fc.assert(
        fc.property(quantizedCases(3), (test) => {
          if (usable !== undefined) checkTransposedProduct(usable, test);
        }),
        { numRuns: 100 },
      );
    });

    it.runIf(usable)("loses no NaN and no infinity, and keeps them in their row", () => {
      const quantize = usable?.quantizeRows(64, 256) ?? 0n;
      const { pitch, scales } = activationLayout(64);
      const x = new GuardedMemory(4 * 64 * 4).place(4 * 64 * 4, "end");
      const values = new Float32Array(4 * 64).fill(0.5);
      values[40] = NaN; // row 0, second block
      values[64 + 3] = -Infinity; // row 1, first block
      values.fill(0, 128, 192); // row 2
      writeFloats(x, values);
      const out = new GuardedMemory(4 * pitch).place(4 * pitch, "end");
      new KernelCaller().call(quantize, {
        out: { address: out.address, ne: [pitch, 4] },
        inputs: [x],
      });
      const scalesOf = (row: number): Float32Array =>
        readFloats({
          ...out,
          bytes: out.bytes.subarray(row * pitch + scales, row * pitch + scales + 8),
        });
      expect([...scalesOf(0)]).toEqual([Math.fround(0.5 / 127), NaN]);
      expect([...scalesOf(1)]).toEqual([Infinity, Math.fround(0.5 / 127)]);
      expect(Math.max(...scalesOf(2))).toBeLessThan(1e-30);
      expect([...out.bytes.subarray(2 * pitch, 2 * pitch + 64)].every((byte) => byte === 0)).toBe(
        true,
      );
    });
  });
}

describe("weights", () => {
  it("can be packed where 16 rows fill whole groups of whole blocks", () => {
    expect(isPackable("q4_k", [48, 512])).toBe(true);
    expect(isPackable("q4_k", [40, 512])).toBe(false);
    expect(isPackable("q4_k", [48, 128])).toBe(false);
    expect(isPackable("q8_0", [16, 96])).toBe(true);
    expect(isPackable("q2_k", [16, 256])).toBe(false);
  });
});
