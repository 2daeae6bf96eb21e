import { describe, expect, it } from "vitest";
import { LanguageModel } from "../../src/generate/language-model.ts";
import { sweep } from "../../src/interpret/sweep.ts";
import type { Edit } from "../../src/model/hooks/edits.ts";
import type { Metric } from "../../src/model/hooks/metric.ts";
import { fixture, readFixture } from "../support/golden.ts";

const { input_ids: rows } = readFixture<{ input_ids: number[][] }>("phi-mini/inputs.json");
const [clean = [], corrupted = []] = rows;
const metric: Metric = { kind: "logitDifference", right: 11, wrong: 7 };

async function variantsOf(phi: LanguageModel): Promise<Edit[][]> {
  const source = await phi.run(clean, {
    capture: ["hook_embed", "resid_pre*", "z*", "pattern*", "k*", "attn_scores1", "result1"],
  });
  const from = (at: Parameters<typeof source.get>[0]) => source.get(at);
  const layers = [0, 1];
  const positions = [...clean.keys()];
  return [
    ...layers.flatMap((l) =>
      positions.map((p): Edit[] => [
        { op: "replace", at: `resid_pre${l}`, positions: [p], value: from(`resid_pre${l}`) },
      ]),
    ),
    ...layers.flatMap((l) =>
      [0, 1, 2, 3].map((n): Edit[] => [
        { op: "replace", at: `z${l}`, heads: [n], value: from(`z${l}`) },
      ]),
    ),
    ...layers.map((l): Edit[] => [
      { op: "replace", at: `pattern${l}`, value: from(`pattern${l}`) },
    ]),
    [
      {
        op: "replace",
        at: "attn_scores1",
        heads: [1],
        positions: [5, -1],
        value: from("attn_scores1"),
      },
    ],
    [{ op: "replace", at: "k1", positions: [20], heads: [3], value: from("k1") }],
    [{ op: "replace", at: "hook_embed", positions: [4], value: from("hook_embed") }],
    [{ op: "replace", at: "result1", positions: [-1], heads: [2], value: from("result1") }],
    [{ op: "scale", at: "ln_final.hook_scale", factor: 2 }],
    [{ op: "zero", at: "mlp_post0", units: [3, 4], positions: { from: 9 } }],
    [
      { op: "zero", at: "mlp_out1", positions: [-1] },
      { op: "zero", at: "attn_out0", positions: [12] },
    ],
    [],
  ];
}

describe("a sweep", () => {
  for (const mode of ["reference", "fast"] as const)
    it(`gives what a whole run of each variant gives, for less (${mode})`, async () => {
      await using phi = await LanguageModel.open(fixture("phi-mini"), { mode, threads: 1 });
      const variants = await variantsOf(phi);
      for (const wanted of [metric, { ...metric, position: 10 }, { kind: "loss" }] as Metric[]) {
        const found = await sweep(phi, corrupted, { variants, metric: wanted });
        for (const [i, edits] of variants.entries()) {
          const { metric: exact } = await phi.run(corrupted, { edits, metric: wanted });
          const difference = Math.abs((found.values[i] as number) - (exact[0] as number));
          expect(difference, `variant ${i}`).toBeLessThan(mode === "reference" ? 1e-5 : 2e-2);
        }
        expect(found.text).toBe(found.values.at(-1));
        expect(found.cost.computed).toBeLessThan(found.cost.whole);
      }
    });

  it("refuses what has no meaning in it, and stops when it is told to", async () => {
    await using phi = await LanguageModel.open(fixture("phi-mini"), { threads: 1 });
    const one = (edit: Partial<Edit>) =>
      sweep(phi, corrupted, { variants: [[{ op: "zero", at: "z0", ...edit } as Edit]], metric });
    await expect(one({ prompts: [0] })).rejects.toMatchObject({ code: "bad_input" });
    await expect(one({ positions: [24] })).rejects.toMatchObject({ code: "bad_input" });
    await expect(one({ at: "z9" })).rejects.toMatchObject({ code: "bad_input" });
    const variants = await variantsOf(phi);
    const stop = new AbortController();
    const stopped = sweep(phi, corrupted, {
      variants,
      metric,
      signal: stop.signal,
      onProgress: () => {
        stop.abort();
      },
    });
    await expect(stopped).rejects.toMatchObject({ code: "interrupted" });
  });
});
