import { afterEach, describe, expect, it, vi } from "vitest";
import { Random } from "../base/random.ts";
import { dropoutMask } from "./dropout.ts";

afterEach(() => {
  vi.unstubAllEnvs();
});

describe("a mask of dropout", () => {
  it("takes each value away with the probability asked for, and makes up for it in the others", () => {
    const mask = dropoutMask(new Random(1), { size: 100_003, dropout: 0.2 });
    expect([...new Set(mask)].sort()).toEqual([0, 1.25]);
    const dropped = mask.filter((value) => value === 0).length / mask.length;
    expect(Math.abs(dropped - 0.2)).toBeLessThan(4 * Math.sqrt((0.2 * 0.8) / mask.length));
    const neighbours = mask.subarray(1).filter((value, i) => value === 0 && mask[i] === 0).length;
    expect(Math.abs(neighbours / mask.length - 0.04)).toBeLessThan(0.003);
  });

  it("is the same with and without kernels of our own", () => {
    for (const size of [1, 15, 16, 17, 1000])
      for (const seed of [0, 7, 2 ** 31]) {
        vi.stubEnv("PHILAB_KERNELS", "");
        const own = dropoutMask(new Random(seed), { size, dropout: 0.37 });
        vi.stubEnv("PHILAB_KERNELS", "ggml");
        expect(dropoutMask(new Random(seed), { size, dropout: 0.37 })).toEqual(own);
      }
  });
});
