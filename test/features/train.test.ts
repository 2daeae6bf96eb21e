/** Dictionaries that are trained: planted directions are found, every architecture keeps its promise, runs go on to the bit. */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, truncateSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import type { z } from "zod";
import { Random } from "../../src/base/random.ts";
import { DictionaryFit, type FitMetrics } from "../../src/features/dictionary-fit.ts";
import { evaluateDictionary, trainDictionary } from "../../src/features/index.ts";
import { dictionaryArguments } from "../../src/features/train-options.ts";
import { sequencesOf } from "../../src/features/job.ts";
import type { Dictionary } from "../../src/features/dictionary.ts";
import type { Dataset } from "../../src/train/data/dataset.ts";
import { LanguageModel } from "../../src/generate/language-model.ts";
import { fixture } from "../support/golden.ts";
import { testBackend } from "../support/tensors.ts";
import { loopContext, randomData } from "../support/train.ts";

const folder = mkdtempSync(path.join(tmpdir(), "philab-sae-"));
const model = await LanguageModel.open(fixture("phi-mini"), { mode: "reference", threads: 1 });
afterAll(async () => {
  await model[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

/** Texts in which few tokens are frequent: their directions are worth a feature. */
const data = randomData({
  lengths: Array.from({ length: 40 }, () => 40),
  vocabSize: 24,
  length: 16,
});

const BASE = {
  hook: "blocks.1.hook_resid_post",
  data: ["texts"],
  ...{ k: 6, expansionFactor: 4, trainingTokens: 12_800, trainBatchSizeTokens: 64 },
  ...{ contextSize: 16, storeBatchSizePrompts: 4, roundTokens: 256, lr: 3e-3, saveSteps: 50 },
  ...{ deadFeatureWindow: 20, l0Coefficient: 0.3, logSteps: 10 },
};

type Given = Partial<z.input<typeof dictionaryArguments>>;

async function train(
  name: string,
  given: Given,
  more: {
    onMetrics?: (step: number, metrics: FitMetrics) => void;
    attempt?: number;
    signal?: AbortSignal;
    dataset?: Dataset;
  } = {},
): Promise<Dictionary> {
  const own = path.join(folder, name);
  mkdirSync(own, { recursive: true });
  const { attempt = 1, signal = new AbortController().signal, dataset = data, onMetrics } = more;
  return trainDictionary({
    model,
    dataset,
    options: dictionaryArguments.parse({ ...BASE, ...given }),
    context: { ...loopContext(own), attempt, signal },
    activations: path.join(own, "activations"),
    onMetrics,
  });
}

describe("a dictionary of a model", () => {
  it.each<[string, Given]>([
    ["topk", {}],
    ["batchtopk", { architecture: "batchtopk" }],
    [
      "jumprelu",
      {
        architecture: "jumprelu",
        jumpreluInitThreshold: 1,
        jumpreluBandwidth: 1,
        l0Coefficient: 3,
      },
    ],
    ["transcoder", { transcoder: true, hook: "blocks.1.hook_mlp_out" }],
  ])("of the architecture %s explains more than a PCA of its size", async (name, given) => {
    const dictionary = await train(name, given);
    const found = await evaluateDictionary(model, dictionary, sequencesOf(data, 600));
    if (name === "topk") expect(found.l0).toBe(6);
    expect(found.l0).toBeGreaterThan(2);
    expect(found.l0).toBeLessThan(12);
    expect(found.explained_variance).toBeGreaterThan(found.pca_explained_variance);
    expect(found.ce_loss_score).toBeGreaterThan(0.5);
  });
});

describe("training", () => {
  it("finds directions that rows are sums of, and brings dead latents back by AuxK", async () => {
    const [width, planted, k] = [16, 24, 3];
    const random = new Random(1);
    const truth = Array.from({ length: planted }, () => unit(width, random));
    using fit = new DictionaryFit(testBackend(), {
      ...{ kind: "sae", architecture: "topk", sizes: { latents: 48, input: width, output: width } },
      ...{ k, batchTokens: 128, learningRate: 5e-3, auxLossCoefficient: 1 / 32, seed: 0 },
      ...{ deadFeatureWindow: 10, l0Coefficient: 0, bandwidth: 0.1, initialThreshold: 0.1 },
    });
    let last: FitMetrics | undefined;
    let mostDead = 0;
    for (let step = 0; step < 600; step++) {
      const input = new Float32Array(128 * width);
      for (let r = 0; r < 128; r++)
        for (const direction of random.permutation(planted).subarray(0, k)) {
          const size = 1 + 2 * random.uniform();
          truth[direction]!.forEach((x, i) => (input[r * width + i]! += size * x));
        }
      last = await fit.step(
        { count: 128, input, output: input },
        { factor: 1 - step / 600, l0Factor: 1 },
      );
      mostDead = Math.max(mostDead, last.dead_features);
    }
    const decoder = fit.read()["decoder"]!;
    const best = truth.map((direction) => {
      let most = 0;
      for (let s = 0; s < 48; s++)
        most = Math.max(
          most,
          direction.reduce((sum, x, i) => sum + x * decoder[s * width + i]!, 0),
        );
      return most;
    });
    expect(best.filter((cosine) => cosine > 0.9).length).toBeGreaterThan(0.8 * planted);
    expect(last!.explained_variance).toBeGreaterThan(0.85);
    expect(mostDead).toBeGreaterThan(last!.dead_features);
  });

  it.each(["topk", "batchtopk", "jumprelu"] as const)(
    "of %s that ended without a warning goes on to the same bits",
    async (architecture) => {
      const given = { architecture, trainingTokens: 64 * 30, saveSteps: 8, logSteps: 1 };
      const straight = await train(`straight-${architecture}`, given);
      const name = `killed-${architecture}`;
      const crash = (step: number): void => {
        if (step === 21) throw new Error("the process is gone");
      };
      await expect(train(name, given, { onMetrics: crash })).rejects.toThrow("gone");
      expect(readdirSync(path.join(folder, name))).toEqual(["checkpoint-16"]);
      const seen: number[] = [];
      const onMetrics = (step: number): unknown => seen.push(step);
      expect(await train(name, given, { attempt: 2, onMetrics })).toEqual(straight);
      expect(seen[0]).toBe(17);
    },
  );

  it("that is interrupted saves where it stands", async () => {
    const given = { trainingTokens: 64 * 30, logSteps: 1 };
    const stop = new AbortController();
    const onMetrics = (step: number): void => {
      if (step === 13) stop.abort();
    };
    await expect(train("stopped", given, { onMetrics, signal: stop.signal })).rejects.toMatchObject(
      {
        code: "interrupted",
      },
    );
    expect(readdirSync(path.join(folder, "stopped"))).toEqual(["checkpoint-13"]);
    const other = randomData({ lengths: [640], vocabSize: 24, length: 16, seed: 1 });
    await expect(train("stopped", given, { attempt: 2, dataset: other })).rejects.toMatchObject({
      message: "the texts are not what they were",
    });
    const again = await train("stopped", given, { attempt: 2 });
    expect(again).toEqual(await train("not-stopped", given));
  });

  it("on activations that are kept reads them again, the same, and says where they are damaged", async () => {
    const given = { keepActivations: true, trainingTokens: 64 * 60 };
    const first = await train("kept", given);
    const kept = path.join(folder, "kept", "activations");
    expect(readdirSync(kept)).toContain("round-0.f32");
    rmSync(path.join(folder, "kept", "checkpoint-60"), { recursive: true });
    expect(await train("kept", given)).toEqual(first);
    truncateSync(path.join(kept, "round-0.f32"), 1001);
    await expect(train("kept", given)).rejects.toMatchObject({
      code: "corrupt_file",
      message: expect.stringContaining("round-0.f32") as string,
    });
  });
});

describe("what cannot be trained", () => {
  it.each<[string, Given, string, RegExp]>([
    ["a pattern", { hook: "blocks.0.attn.hook_pattern" }, "bad_input", /no rows of one width/],
    ["a layer that is not there", { hook: "blocks.9.hook_resid_post" }, "bad_input", /9/],
    ["a transcoder of the stream", { transcoder: true }, "bad_input", /a transcoder of/],
    [
      "a transcoder with topk",
      { transcoder: true, architecture: "topk", hook: "blocks.0.hook_mlp_out" },
      "unsupported",
      /topk/,
    ],
    ["more features than there are", { k: 5000 }, "bad_input", /5000 of/],
    ["steps larger than rounds", { trainBatchSizeTokens: 512 }, "bad_input", /rounds of 256/],
  ])("%s is refused by name, and nothing is written", async (name, given, code, message) => {
    const own = `refused ${name}`;
    await expect(train(own, given)).rejects.toMatchObject({
      code,
      message: expect.stringMatching(message) as string,
    });
    expect(readdirSync(path.join(folder, own))).toEqual([]);
    expect(existsSync(path.join(folder, own, "activations"))).toBe(false);
  });
});

function unit(width: number, random: Random): number[] {
  const values = Array.from({ length: width }, () => random.normal());
  const norm = Math.hypot(...values);
  return values.map((value) => value / norm);
}
