/** Sparse dictionaries against SAELens, against what is known of them, and against bad files. */
import { cpSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { Random } from "../../src/base/random.ts";
import { writeSafetensors } from "../../src/checkpoint/index.ts";
import type { Dictionary } from "../../src/features/dictionary.ts";
import {
  evaluateDictionary,
  LoadedDictionary,
  readDictionary,
  reconstruct,
  splice,
  writeDictionary,
} from "../../src/features/index.ts";
import { rounded } from "../../src/features/sae-lens.ts";
import { LanguageModel } from "../../src/generate/language-model.ts";
import { fixture, maxDifference, readFixture, readTensors } from "../support/golden.ts";

const folder = mkdtempSync(path.join(tmpdir(), "philab-features-"));
const model = await LanguageModel.open(fixture("phi-mini"), { mode: "reference", threads: 1 });
const { width, vocabSize } = model.config;
afterAll(async () => {
  await model[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

const random = new Random(3);
const sequences = Array.from({ length: 3 }, () =>
  Array.from({ length: 24 }, () => random.integer(vocabSize)),
);
const HOOK = "blocks.1.hook_resid_post";

/** x = relu(x) − relu(−x): an autoencoder that loses nothing, or one that says nothing. */
function plain(scale: 0 | 1, hook: Dictionary["input"] = HOOK): Dictionary {
  const rows = new Float32Array(2 * width * width);
  for (let i = 0; i < width; i++) {
    rows[i * width + i] = scale;
    rows[(width + i) * width + i] = -scale;
  }
  return {
    kind: "sae",
    activation: { name: "relu" },
    input: hook,
    output: hook,
    sizes: { latents: 2 * width, input: width, output: width },
    centred: true,
    encoder: rows,
    encoderBias: new Float32Array(2 * width),
    decoder: rows,
    decoderBias: new Float32Array(width),
    threshold: undefined,
    metadata: {},
  };
}

describe("files of SAELens", () => {
  it.each([
    ...["standard", "standard-plain", "topk", "topk-rescaled", "jumprelu"],
    ...["transcoder", "jumprelu-transcoder"],
  ])(
    "%s gives SAELens' latents and reconstructions, also after it was written again",
    async (name) => {
      const rows = readFixture<Record<"input" | "latents" | "output", number[][]>>(
        `sae-lens/${name}/rows.json`,
      );
      const dictionary = await readDictionary(fixture(`sae-lens/${name}`));
      const again = path.join(folder, name);
      await writeDictionary(again, dictionary);
      for (const own of [dictionary, await readDictionary(again)]) {
        const found = await reconstruct(own, Float32Array.from(rows.input.flat()));
        expect(maxDifference(found.latents, rows.latents.flat())).toBeLessThan(1e-5);
        expect(maxDifference(found.reconstruction, rows.output.flat())).toBeLessThan(1e-5);
      }
    },
  );

  it("say the version of their form, without which SAELens would forget the hook", async () => {
    await writeDictionary(path.join(folder, "version"), plain(1));
    const text = readFileSync(path.join(folder, "version", "cfg.json"), "utf8");
    expect(JSON.parse(text)).toMatchObject({
      metadata: { sae_lens_version: "6.0.0", hook_name: HOOK },
    });
    const file = path.join(folder, "version", "cfg.json");
    const { metadata: _, ...old } = JSON.parse(text) as { metadata: object };
    writeFileSync(file, JSON.stringify({ ...old, hook_name: HOOK }));
    expect((await readDictionary(path.dirname(file))).input).toBe(HOOK);
  });

  it("keep their weights, to the bit, when they are read and written", async () => {
    const [from, to] = ["jumprelu", "written"];
    await writeDictionary(path.join(folder, to), await readDictionary(fixture(`sae-lens/${from}`)));
    const file = "sae_weights.safetensors";
    const before = await readTensors(fixture(`sae-lens/${from}/${file}`));
    expect(await readTensors(path.join(folder, to, file))).toEqual(before);
  });
});

describe("half-precision files", () => {
  it("are half as large, and hold what `rounded` says of them, to the bit", async () => {
    const dictionary = await readDictionary(fixture("sae-lens/jumprelu"));
    const [whole, half] = [path.join(folder, "whole"), path.join(folder, "half")];
    await writeDictionary(whole, dictionary);
    await writeDictionary(half, dictionary, { dtype: "float16" });
    const again = await readDictionary(half);
    expect(again.encoder).toEqual((await rounded(dictionary, "float16")).encoder);
    expect(again.threshold).toEqual((await rounded(dictionary, "float16")).threshold);
    expect(maxDifference(again.decoder, dictionary.decoder)).toBeLessThan(2e-3);
    expect(again.decoder).not.toEqual(dictionary.decoder);
    const size = (of: string): number => statSync(path.join(of, "sae_weights.safetensors")).size;
    expect(size(half)).toBeLessThan(0.7 * size(whole));
  });
});

describe("an autoencoder that loses nothing", () => {
  it("recovers all of the loss and of the variance, and one that says nothing recovers none", async () => {
    const whole = await evaluateDictionary(model, plain(1), sequences);
    expect(whole.ce_loss_score).toBeCloseTo(1, 4);
    expect(whole.explained_variance).toBeCloseTo(1, 4);
    expect(whole.l2_ratio).toBeCloseTo(1, 4);
    expect(whole).toMatchObject({ l0: width, tokens: 72 });
    expect(whole.pca_explained_variance).toBeCloseTo(1, 6);
    const nothing = await evaluateDictionary(model, plain(0), sequences);
    expect(nothing.ce_loss_score).toBeCloseTo(0, 10);
    expect(nothing).toMatchObject({ l0: 0, l1: 0, frac_alive: 0 });
  });

  it("at a layer whose rows are cut at its end leaves the logits as they are", async () => {
    const hook = `blocks.${model.config.layers - 1}.hook_resid_post` as const;
    using loaded = new LoadedDictionary(plain(1, hook), model.backend);
    const before = await model.run(sequences);
    const after = await model.run(sequences, splice(loaded, model.config));
    before.logits.forEach((logits, i) => {
      expect(maxDifference(logits, after.logits[i]!)).toBeLessThan(1e-5);
    });
  });
});

describe("spliced in with the error term", () => {
  it.each([
    ["an autoencoder", HOOK, HOOK],
    ["a transcoder", "blocks.1.hook_ln1_out", "blocks.1.hook_mlp_out"],
    [
      "a transcoder of the last block",
      `blocks.${model.config.layers - 1}.hook_ln1_out`,
      `blocks.${model.config.layers - 1}.hook_mlp_out`,
    ],
  ] as const)("%s changes no logit by 1e-5, without it many", async (_, input, output) => {
    const dictionary = randomDictionary({ input, output });
    using loaded = new LoadedDictionary(dictionary, model.backend);
    const before = await model.run(sequences);
    const [kept, lost] = [
      await model.run(sequences, splice(loaded, model.config, { errorTerm: true })),
      await model.run(sequences, splice(loaded, model.config)),
    ];
    before.logits.forEach((logits, i) => {
      expect(maxDifference(logits, kept.logits[i]!)).toBeLessThan(1e-5);
      expect(maxDifference(logits, lost.logits[i]!)).toBeGreaterThan(1e-2);
    });
  });
});

describe("bad dictionaries", () => {
  const copy = (name: string): string => {
    const to = path.join(folder, `bad-${name}`);
    cpSync(fixture("sae-lens/topk"), to, { recursive: true });
    return to;
  };
  const changed = (name: string, more: object): string => {
    const to = copy(name);
    const file = path.join(to, "cfg.json");
    const config = JSON.parse(readFileSync(file, "utf8")) as object;
    writeFileSync(file, JSON.stringify({ ...config, ...more }));
    return to;
  };

  it("of another model, of a layer that is not there and of another place are refused by name", async () => {
    const other = await readDictionary(fixture("sae-lens/topk"));
    await expect(evaluateDictionary(model, other, sequences)).rejects.toMatchObject({
      code: "bad_input",
      message: expect.stringContaining(
        `6 values at ${HOOK}, where this model has ${width}`,
      ) as string,
    });
    const deep = plain(1, "blocks.30.hook_resid_post");
    await expect(evaluateDictionary(model, deep, sequences)).rejects.toMatchObject({
      message: expect.stringContaining("this model has layers 0…") as string,
    });
  });

  it("whose values are no numbers name the feature", async () => {
    const to = copy("nan");
    const file = path.join(to, "sae_weights.safetensors");
    const tensors = await readTensors(file);
    tensors.get("W_dec")!.values[17 * 6 + 2] = NaN;
    await writeSafetensors(
      file,
      [...tensors].map(([name, { shape }]) => ({ name, shape, dtype: "f32" })),
      ({ name }) => [new Uint8Array(tensors.get(name)!.values.buffer)],
    );
    await expect(readDictionary(to)).rejects.toMatchObject({
      code: "corrupt_file",
      message: expect.stringContaining("the first in feature 17") as string,
    });
  });

  it.each([
    ["sizes", { d_sae: 21 }, "corrupt_file", /W_enc is \[6, 20\]; cfg.json says \[6, 21\]/],
    ["k", { k: 21 }, "corrupt_file", /k is 21 for 20 features/],
    ["gated", { architecture: "gated" }, "unsupported", /gated/],
    ["scaled", { normalize_activations: "layer_norm" }, "unsupported", /layer_norm/],
    ["nowhere", { metadata: {} }, "corrupt_file", /which hook/],
    ["no-size", { d_in: "six" }, "corrupt_file", /d_in/],
  ])("with %s that do not fit are refused", async (name, more, code, message) => {
    await expect(readDictionary(changed(name, more))).rejects.toMatchObject({
      code,
      message: expect.stringMatching(message) as string,
    });
  });

  it("that are not there say what was looked for", async () => {
    await expect(readDictionary(folder)).rejects.toMatchObject({
      code: "not_found",
      message: expect.stringContaining("cfg.json") as string,
    });
  });
});

function randomDictionary({ input, output }: Pick<Dictionary, "input" | "output">): Dictionary {
  const latents = 3 * width;
  const values = (count: number): Float32Array =>
    Float32Array.from({ length: count }, () => random.normal());
  return {
    ...plain(0),
    kind: input === output ? "sae" : "transcoder",
    activation: { name: "topk", k: 5 },
    ...{ input, output, centred: input === output },
    sizes: { latents, input: width, output: width },
    encoder: values(latents * width),
    encoderBias: values(latents),
    decoder: values(latents * width),
    decoderBias: values(width),
  };
}
