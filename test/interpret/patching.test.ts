/** Patching, ablation and steering: they agree with TransformerLens, and hold what their definitions promise. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { LanguageModel } from "../../src/generate/language-model.ts";
import {
  ablateHeads,
  ABLATIONS,
  createTask,
  doseResponse,
  patchSweep,
  steer,
  steeringVector,
  type PatchSite,
} from "../../src/interpret/index.ts";
import { open } from "../../src/open.ts";
import { fixture, maxDifference, readTensors } from "../support/golden.ts";

let phi: LanguageModel;
let micro: LanguageModel;
let theirs: Awaited<ReturnType<typeof readTensors>>;

beforeAll(async () => {
  phi = await LanguageModel.open(fixture("phi-mini"), { mode: "reference", threads: 1 });
  micro = await open("phi-micro", { mode: "reference", threads: 1 });
  theirs = await readTensors(fixture("transformer-lens.safetensors"));
});
afterAll(async () => {
  await phi[Symbol.asyncDispose]();
  await micro[Symbol.asyncDispose]();
});

const values = (name: string): number[] => [...(theirs.get(name)?.values ?? [])];
const pair = () => {
  const [right = -1, wrong = -1] = values("answers");
  return {
    clean: values("clean"),
    corrupted: values("corrupted"),
    right: [right],
    wrong: [wrong],
  };
};

describe("a patching sweep", () => {
  test.each([
    ["resid_pre", "position", "resid_pre"],
    ["attn_out", "position", "attn_out"],
    ["mlp_out", "position", "mlp_out"],
    ["z", "head", "head_z"],
    ["q", "head", "head_q"],
    ["k", "head", "head_k"],
    ["v", "head", "head_v"],
    ["pattern", "head", "head_pattern"],
    ["z", "position+head", "head_z_by_pos"],
  ] as const)(
    "of %s over %s measures what TransformerLens measures, within 1e-4",
    async (site, over, name) => {
      const sweep = await patchSweep(phi, [pair()], { site, over, control: false });
      const { clean, corrupted } = sweep.baselines;
      const [theirClean = NaN, theirCorrupted = NaN] = values("metrics");
      expect(clean).toBeCloseTo(theirClean, 4);
      expect(corrupted).toBeCloseTo(theirCorrupted, 4);
      const raw = [...sweep.values].map((value) => value * (clean - corrupted) + corrupted);
      expect(maxDifference(raw, values(`sweep.${name}`))).toBeLessThan(1e-4);
      expect(sweep.shape).toEqual(theirs.get(`sweep.${name}`)?.shape);
    },
  );

  test("recovers nothing with the corrupted run's own values, and all of it with the clean ones everywhere", async () => {
    const same = { ...pair(), corrupted: pair().clean };
    await expect(patchSweep(phi, [same], { site: "resid_pre" })).rejects.toThrow(
      /measure the same/,
    );
    // One position differs: patching the first stream there makes the corrupted run the clean one.
    const { pairs } = createTask(micro, "ioi-classic", { count: 1 });
    const sweep = await patchSweep(micro, pairs, { site: "resid_pre", layers: [0, 1] });
    const { values: recovered, shape } = sweep;
    const differs = pairs[0]?.positions["s2"] ?? NaN;
    expect(recovered[differs]).toBeCloseTo(1, 5);
    for (let i = 0; i < (shape[1] ?? 0); i++)
      if (i !== differs) expect(Math.abs(recovered[i] ?? NaN)).toBeLessThan(1e-5);
  });

  test("that is turned around loses what the other one recovers, where all is at one place", async () => {
    const { pairs } = createTask(micro, "ioi-classic", { count: 1 });
    const sweep = (direction: "denoise" | "noise") =>
      patchSweep(micro, pairs, { site: "resid_pre", direction, layers: [0], control: false });
    const [denoised, noised] = [await sweep("denoise"), await sweep("noise")];
    expect(denoised.baselines.clean).toBeCloseTo(noised.baselines.clean, 6);
    expect(
      maxDifference(
        denoised.values,
        noised.values.map((value) => 1 - value),
      ),
    ).toBeLessThan(1e-5);
  });

  test("has a control for every value: as large a change, and less of an answer", async () => {
    const { pairs } = createTask(micro, "ioi-classic", { count: 2, seed: 5 });
    const sweep = await patchSweep(micro, pairs, { site: "resid_pre", layers: [4], seed: 1 });
    const last = (sweep.shape[1] ?? 0) - 1;
    expect(sweep.control).toHaveLength(sweep.values.length);
    expect(sweep.values[last]).toBeGreaterThan(0.8);
    expect(Math.abs(sweep.control?.[last] ?? NaN)).toBeLessThan(0.5);
    expect(sweep.values[0]).toBe(sweep.control?.[0]); // the same token: nothing is moved
  });

  test("refuses pairs that do not align, and sites without heads", async () => {
    const sweep = (site: PatchSite, clean = pair().clean, over?: "head") =>
      patchSweep(phi, [{ ...pair(), clean }], { site, ...(over === undefined ? {} : { over }) });
    await expect(sweep("z", [1, 2])).rejects.toThrow(/a pair of 2 and 12 tokens/);
    await expect(sweep("mlp_out", pair().clean, "head")).rejects.toThrow(/has no heads/);
    await expect(patchSweep(phi, [], { site: "z" })).rejects.toThrow(/no pairs/);
  });
});

describe("ablation", () => {
  test.each(ABLATIONS)(
    "by %s of the same heads twice is the same, and of none changes nothing",
    async (method) => {
      const { pairs } = createTask(micro, "ioi-classic", { count: 6, seed: 2 });
      const ablate = (heads: { layer: number; head: number }[]) =>
        ablateHeads(micro, pairs, heads, { method, controls: 1, seed: 3 });
      const some = [{ layer: 3, head: 1 }];
      const [once, again, nothing] = [await ablate(some), await ablate(some), await ablate([])];
      expect(once).toEqual(again);
      expect(once.removed).not.toBe(0);
      expect(nothing.after).toBeCloseTo(nothing.before, 5);
    },
  );

  test("by the mean over one prompt changes nothing", async () => {
    const { pairs } = createTask(micro, "ioi-classic", { count: 1 });
    const { before, after } = await ablateHeads(micro, pairs, [{ layer: 2, head: 0 }], {
      controls: 0,
    });
    expect(after).toBeCloseTo(before, 4);
  });

  test("compares with as many other heads of the same layers, where those have others", async () => {
    const { pairs } = createTask(micro, "ioi-classic", { count: 2 });
    const heads = [
      { layer: 1, head: 0 },
      { layer: 4, head: 2 },
    ];
    const { controls } = await ablateHeads(micro, pairs, heads, { controls: 3, method: "zero" });
    for (const control of controls) {
      expect(control.heads.map(({ layer }) => layer)).toEqual([1, 4]);
      for (const head of control.heads) expect(heads).not.toContainEqual(head);
    }
  });

  test("with prompts of unequal length takes the mean over positions, and does not resample", async () => {
    const prompts = [
      { clean: [1, 2, 3], right: [4], wrong: [5] },
      { clean: [1, 2, 3, 4], right: [4], wrong: [5] },
    ];
    const heads = [{ layer: 0, head: 1 }];
    const { after } = await ablateHeads(phi, prompts, heads, { controls: 0 });
    expect(Number.isFinite(after)).toBe(true);
    await expect(ablateHeads(phi, prompts, heads, { method: "resample" })).rejects.toThrow(
      /unequal/,
    );
  });
});

describe("steering", () => {
  const sets = {
    positive: ["Mary gave a book to", "Ruth gave a pen to"],
    negative: ["John gave a book to", "Max gave a pen to"],
  };

  test("by v and then by −v is no steering, within 1e-5", async () => {
    const vector = await steeringVector(micro, sets, { layer: 2 });
    const prompt = "When Mary and John went to the store,";
    const edits = [steer(vector, 3), steer(vector, -3)];
    const [alone, both] = [await micro.run(prompt), await micro.run(prompt, { edits })];
    // Logits of up to 13, of which f32 has steps of 1e-6: they differ by 5e-6.
    expect(maxDifference(both.logits[0] ?? [], alone.logits[0] ?? [])).toBeLessThan(1e-5);
    const steered = await micro.run(prompt, { edits: [steer(vector, 3)] });
    expect(maxDifference(steered.logits[0] ?? [], alone.logits[0] ?? [])).toBeGreaterThan(0.1);
  });

  test("vectors are the difference of the means, or point where pairs differ", async () => {
    const at = "blocks.2.hook_resid_post";
    const read = async (prompt: string): Promise<Float32Array> =>
      (await micro.run(prompt, { capture: [{ at, positions: [-1] }] })).get(at).values;
    const [a, b, c, d] = [
      await read(sets.positive[0] ?? ""),
      await read(sets.positive[1] ?? ""),
      await read(sets.negative[0] ?? ""),
      await read(sets.negative[1] ?? ""),
    ];
    const wanted = a.map((x, i) => (x + (b[i] ?? 0) - (c[i] ?? 0) - (d[i] ?? 0)) / 2);
    const means = await steeringVector(micro, sets, { layer: 2 });
    expect(maxDifference(means.values, wanted)).toBeLessThan(1e-5);
    const pairs = await steeringVector(micro, sets, { layer: 2, method: "pairs" });
    expect(pairs.norm).toBeCloseTo(means.norm, 4);
    const cosine =
      means.values.reduce((sum, x, i) => sum + x * (pairs.values[i] ?? 0), 0) / means.norm ** 2;
    expect(cosine).toBeGreaterThan(0.7);
    await expect(
      steeringVector(
        micro,
        { positive: ["a"], negative: ["b", "c"] },
        { layer: 1, method: "pairs" },
      ),
    ).rejects.toThrow(/no pairs/);
  });

  test("grows with its strength, and says what random directions do", async () => {
    const { pairs } = createTask(micro, "ioi-classic", { count: 4, seed: 1 });
    const up = pairs.map(({ clean }) => clean);
    const down = pairs.map(({ corrupted }) => corrupted);
    const vector = await steeringVector(micro, { positive: up, negative: down }, { layer: 3 });
    const response = await doseResponse(micro, vector, pairs, {
      strengths: [-1, 0, 1],
      controls: 2,
    });
    const [, still, onward] = response.steered;
    expect(still?.divergence).toBeLessThan(1e-9);
    expect(response.control[1]?.metric).toBeCloseTo(still?.metric ?? NaN, 5);
    expect(onward?.divergence).toBeGreaterThan(0);
  });
});
