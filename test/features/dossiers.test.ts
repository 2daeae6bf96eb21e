/** What is said of single features, for a dictionary whose features are known. */
import { afterAll, describe, expect, it } from "vitest";
import { featureDossiers, steerAtRandom, steerByFeature } from "../../src/features/dossiers.ts";
import { LanguageModel } from "../../src/generate/language-model.ts";
import { openWeights } from "../../src/interpret/weights.ts";
import { fixture } from "../support/golden.ts";
import { tokenFeatures } from "../support/known-dictionaries.ts";

const model = await LanguageModel.open(fixture("phi-mini"), { mode: "reference", threads: 1 });
afterAll(() => model[Symbol.asyncDispose]());
const { width } = model.config;
const TOKENS = [7, 11, 30];

const dictionary = await tokenFeatures(model, TOKENS);
const sequences = [
  [7, 2, 3, 11, 4, 7],
  [5, 6, 11, 9],
  [1, 2, 3, 4],
];

describe("a dossier", () => {
  it("says where a feature fires, with what stands around it, and how often", async () => {
    const { dossiers, tokens } = await featureDossiers(model, dictionary, sequences, {
      features: [0, 1, 2],
      around: 2,
    });
    expect(tokens).toBe(14);
    const [seven, eleven, never] = dossiers;
    expect(seven!.density).toBeCloseTo(2 / 14, 10);
    expect(seven!.activations.map(({ ids, at }) => ids[at])).toEqual([7]);
    expect(eleven!.activations).toHaveLength(2);
    expect(eleven!.activations.map(({ ids }) => ids)).toContainEqual([5, 6, 11, 9]);
    for (const { at, value, values } of eleven!.activations) expect(values[at]).toBe(value);
    expect(never).toMatchObject({ density: 0, activations: [] });
    for (const { histogram, density, activations } of [seven!, eleven!, never!]) {
      expect(histogram.counts.reduce((sum, n) => sum + n, 0)).toBe(Math.round(density * tokens));
      expect(histogram.most).toBe(Math.max(0, ...activations.map(({ value }) => value)));
    }
  });

  it("says which tokens it promotes: those whose logits its direction raises", async () => {
    const { dossiers } = await featureDossiers(model, dictionary, sequences, { features: [0] });
    const { promoted, suppressed } = dossiers[0]!;
    const { head } = await (await openWeights(model, "folded")).unembed();
    const row = dictionary.decoder.subarray(0, width);
    const logits = Array.from({ length: model.config.vocabSize }, (_, token) =>
      row.reduce((sum, x, d) => sum + x * head.weight[token * width + d]!, 0),
    );
    expect(promoted[0]!.logit).toBeCloseTo(Math.max(...logits), 4);
    expect(suppressed[0]!.logit).toBeCloseTo(Math.min(...logits), 4);
  });

  it("is chosen by how often it fires where none is named, and has neighbours", async () => {
    const { dossiers } = await featureDossiers(model, dictionary, sequences, { limit: 1 });
    expect(dossiers.map(({ feature }) => feature)).toEqual([0]);
    expect(dossiers[0]!.neighbours.map(({ feature }) => feature).sort()).toEqual([1, 2]);
  });

  it("of a feature that is not there is refused", async () => {
    const asked = featureDossiers(model, dictionary, sequences, { features: [3] });
    await expect(asked).rejects.toMatchObject({
      code: "bad_input",
      message: "there is no feature 3",
    });
  });
});

describe("steering by a feature", () => {
  it("adds its direction as often as it is said, and the control one as long", async () => {
    const before = await model.run([1, 2, 3], { capture: ["hook_embed"] });
    const after = async (edit: ReturnType<typeof steerByFeature>): Promise<Float32Array> =>
      (await model.run([1, 2, 3], { capture: ["hook_embed"], edits: [edit] })).get("hook_embed")
        .values;
    const norm = (values: Float32Array): number => {
      const plain = before.get("hook_embed").values;
      return Math.hypot(...values.slice(0, width).map((x, d) => x - plain[d]!));
    };
    const length = Math.hypot(...dictionary.decoder.subarray(0, width));
    expect(norm(await after(steerByFeature(dictionary, 0, 2)))).toBeCloseTo(2 * length, 4);
    const control = steerAtRandom(dictionary, 0, { strength: 2, seed: 1 });
    expect(norm(await after(control))).toBeCloseTo(2 * length, 4);
  });
});
