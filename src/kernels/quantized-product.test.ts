import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  GuardedMemory,
  KernelCaller,
  readFloats,
  writeFloats,
  type Placed,
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
      const quantize = usable?.quantizeRows("q8_0", 64, 256)?.address ?? 0n;
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

    it.runIf(usable)("loses none beside weights in blocks of 256 either", () => {
      const shape = [16, 256] as const;
      const rowStride = 4 * 256;
      const quantize = usable?.quantizeRows("q6_k", 256, rowStride);
      const pitch = quantize?.pitch ?? 0;
      const weights = new GuardedMemory(3360).place(3360, "end"); // all 0
      for (const bad of [NaN, Infinity, -Infinity])
        for (const rows of [3, 40]) {
          const product = usable?.quantizedProduct("q6_k", shape, { rows, threads: 1 });
          const sizes = [rows * rowStride, rows * pitch, product?.scratchBytes ?? 0, rows * 64];
          const placed = sizes.map((size) => new GuardedMemory(size).place(size, "end"));
          const [x, bytes, scratch, y] = placed as [Placed, Placed, Placed, Placed];
          writeFloats(
            x,
            Float32Array.from({ length: rows * 256 }, (_, i) => (i === 300 ? bad : 1)),
          );
          const caller = new KernelCaller();
          caller.call(quantize?.address ?? 0n, {
            out: { address: bytes.address, ne: [pitch, rows] },
            inputs: [x],
          });
          caller.call(product?.address ?? 0n, {
            out: { address: y.address, ne: [16, rows] },
            inputs: [weights, bytes, scratch],
          });
          const wanted = Array.from({ length: rows * 16 }, (_, i) =>
            Math.floor(i / 16) === 1 ? NaN : 0,
          );
          expect([...readFloats(y)]).toEqual(wanted);
        }
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
