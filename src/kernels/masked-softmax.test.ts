import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { checkSoftmax, runSoftmax, softmaxCases } from "../../test/support/masked-softmax-fuzz.ts";
import { kernelStatus } from "./kernels.ts";

const { kernels } = kernelStatus("");
const usable = kernels?.level === "avx512" ? kernels : undefined;

describe("the masked softmax", () => {
  it.runIf(usable)("is what the formula says, in any shape, and touches nothing else", () => {
    fc.assert(
      fc.property(softmaxCases(), (test) => {
        if (usable !== undefined) checkSoftmax(usable, test);
      }),
      { numRuns: 100 },
    );
  });

  it.runIf(usable)("loses no NaN, and keeps it in its row", () => {
    if (usable === undefined) return;
    const x = new Float32Array(40).fill(1);
    x[3] = NaN;
    const found = runSoftmax(
      usable,
      {
        ...{ sizes: [20, 2, 1, 1], scale: 1, maskPerBatch: false, at: "end", threads: 1 },
        ...{ mask: "f16", inPlace: true },
      },
      { x, hidden: Array<boolean>(40).fill(false) },
    );
    expect([...found.subarray(0, 20)].every(Number.isNaN)).toBe(true);
    expect([...found.subarray(20)].every((v) => Math.abs(v - 0.05) < 1e-7)).toBe(true);
  });
});
