/** Gradients instead of runs: what they promise holds, and how good they are is part of what they say. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { LanguageModel } from "../../src/generate/language-model.ts";
import {
  attributionPatch,
  createTask,
  patchSweep,
  rankCorrelation,
  type PatchSite,
} from "../../src/interpret/index.ts";
import { open } from "../../src/open.ts";

let phi: LanguageModel;

beforeAll(async () => {
  phi = await open("phi-micro", { mode: "reference", threads: 1 });
});
afterAll(async () => {
  await phi[Symbol.asyncDispose]();
});

const pairOf = (seed = 0) => createTask(phi, "ioi-classic", { count: 1, seed }).pairs[0]!;
const sum = (values: Iterable<number>): number => [...values].reduce((a, b) => a + b, 0);

describe("attribution patching", () => {
  test("is exact where the metric is linear in what is patched", async () => {
    const { clean, corrupted, right, wrong } = pairOf();
    const at = "ln_final.hook_normalized";
    const metric = { kind: "logitDifference", right: right[0]!, wrong: wrong[0]! } as const;
    const [from, to] = [
      await phi.run(corrupted, { capture: [at], gradients: [at], metric }),
      await phi.run(clean, { capture: [at], metric }),
    ];
    const slope = from.gradient(at).values;
    const estimate = sum(
      slope.map((s, i) => s * ((to.get(at).values[i] ?? NaN) - (from.get(at).values[i] ?? NaN))),
    );
    const difference = (to.metric[0] ?? NaN) - (from.metric[0] ?? NaN);
    expect(Math.abs(estimate / difference - 1)).toBeLessThan(1e-5);
  });

  test("by integrated gradients sums to the whole difference, within 1 % at 32 steps", async () => {
    for (const seed of [0, 1]) {
      const { values } = await attributionPatch(phi, pairOf(seed), {
        ...{ site: "resid_pre", layers: [0], method: "ig", steps: 32, verify: 0 },
      });
      expect(Math.abs(sum(values) - 1)).toBeLessThan(0.01);
    }
  });

  test.each(["resid_pre", "attn_out", "mlp_out", "z", "q", "k", "v", "pattern"] as const)(
    "of %s has the shape of the sweep that it stands for, and verifies its largest values with it",
    async (site: PatchSite) => {
      const pair = pairOf();
      const estimate = await attributionPatch(phi, pair, { site, layers: [2, 3], verify: 4 });
      const exact = await patchSweep(phi, [pair], { site, layers: [2, 3], control: false });
      expect(estimate.shape).toEqual(exact.shape);
      expect(estimate.verified.length).toBeGreaterThan(4);
      for (const { index, estimate: value, exact: truth } of estimate.verified) {
        expect(value).toBe(estimate.values[index]);
        expect(truth).toBeCloseTo(exact.values[index] ?? NaN, 4);
      }
    },
  );

  test("ranks the places of heads much as patching does", async () => {
    const { rankCorrelation: found, verified } = await attributionPatch(phi, pairOf(), {
      ...{ site: "z", method: "ig", verify: 8 },
    });
    expect(verified.length).toBeGreaterThan(10);
    expect(found).toBeGreaterThan(0.5);
  });

  test("wants one answer of each kind, and pairs that align", async () => {
    const pair = pairOf();
    await expect(attributionPatch(phi, { ...pair, wrong: [1, 2] }, { site: "z" })).rejects.toThrow(
      /one right and one wrong/,
    );
    await expect(attributionPatch(phi, { ...pair, clean: [1] }, { site: "z" })).rejects.toThrow(
      /a pair of 1 and/,
    );
  });
});

describe("a rank correlation", () => {
  test("is 1 for the same order, −1 for the opposite one, and shares ranks", () => {
    expect(rankCorrelation([1, 2, 3], [10, 20, 300])).toBeCloseTo(1, 12);
    expect(rankCorrelation([1, 2, 3], [3, 2, 1])).toBeCloseTo(-1, 12);
    expect(rankCorrelation([1, 1, 2, 2], [1, 2, 1, 2])).toBeCloseTo(0, 12);
  });
});
