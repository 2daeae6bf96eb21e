/** A direction taken out as the model runs, and out of its weights. */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Random } from "../../src/base/random.ts";
import { LanguageModel } from "../../src/generate/language-model.ts";
import type { Run } from "../../src/generate/run.ts";
import { writeControlVector } from "../../src/safety/directions/control-vector.ts";
import { ablation, addition, orthogonalize } from "../../src/safety/directions/direction.ts";
import { behaviourScore } from "../../src/safety/directions/select.ts";
import { fixture, maxDifference } from "../support/golden.ts";
import { json, philab } from "../support/cli.ts";

const ids = [451, 340, 497, 361, 133, 474, 136, 339];

let folder: string;
let model: LanguageModel;
let values: Float32Array;
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "philab-directions-"));
  model = await LanguageModel.open(fixture("phi-mini"), { mode: "reference", threads: 1 });
  const random = new Random(7);
  values = Float32Array.from({ length: model.config.width }, () => random.normal());
});
afterAll(async () => {
  await model[Symbol.asyncDispose]();
  await rm(folder, { recursive: true });
});

describe("taking a direction out", () => {
  /** Runs without the direction; nothing of it may be left in any stream. */
  async function runWithout(of: LanguageModel, prompt: readonly number[]): Promise<Run> {
    const { width } = of.config;
    const own = values.subarray(0, width);
    const edits = ablation({ values: own }, of.config);
    const run = await of.run(prompt, { edits, capture: ["blocks.*.hook_resid_post"] });
    const length = Math.hypot(...own);
    for (const captured of run.captured.values())
      for (let start = 0; start < captured.values.length; start += width) {
        const row = captured.values.subarray(start, start + width);
        const share = row.reduce((sum, x, d) => sum + (x * (own[d] as number)) / length, 0);
        expect(Math.abs(share)).toBeLessThanOrEqual(1e-6 * Math.hypot(...row));
      }
    return run;
  }

  it("leaves nothing along it in any stream, and does nothing the second time", async () => {
    const run = await runWithout(model, ids);
    const edits = ablation({ values }, model.config);
    const twice = await model.run(ids, { edits: [...edits, ...edits] });
    expect(maxDifference(twice.logits[0] ?? [], run.logits[0] ?? [])).toBeLessThan(1e-5);
  });

  it("leaves nothing in GPT-2 and Llama, of which the one writes its positions to the stream", async () => {
    for (const architecture of ["gpt2", "llama"]) {
      const path = fixture(`comparison/${architecture}`);
      await using other = await LanguageModel.open(path, { mode: "reference", threads: 1 });
      await runWithout(other, [3, 17, 99, 4, 58]);
    }
  });

  it("is what a model does whose weights write nothing along it", async () => {
    const edited = await model.run(ids, { edits: ablation({ values }, model.config) });
    const plain = await model.run(ids);
    for (const name of ["directory", "file.gguf"]) {
      const to = path.join(folder, name);
      await orthogonalize(model, { values }, { to });
      await using without = await LanguageModel.open(to, { mode: "reference", threads: 1 });
      const { logits } = await without.run(ids);
      expect(maxDifference(logits[0] ?? [], edited.logits[0] ?? [])).toBeLessThan(1e-4);
      expect(maxDifference(logits[0] ?? [], plain.logits[0] ?? [])).toBeGreaterThan(1e-2);
    }
  });

  it("is undone by adding what was added", async () => {
    const plain = await model.run(ids);
    const direction = { layer: 1, values };
    const edits = [...addition(direction, 2), ...addition(direction, -2)];
    const back = await model.run(ids, { edits });
    expect(maxDifference(back.logits[0] ?? [], plain.logits[0] ?? [])).toBeLessThan(1e-5);
  });
});

it("a behaviour's score is the log odds of the tokens that begin it", () => {
  const logits = Float32Array.from([0, Math.log(2), Math.log(3), 0]);
  expect(behaviourScore(logits, [1, 2])).toBeCloseTo(Math.log(5 / 2), 6);
  expect(behaviourScore(Float32Array.from([1000, 1000]), [0])).toBeCloseTo(0, 6);
});

describe("philab safety steer", () => {
  it("adds a control vector at several strengths, beside random ones, and prints no prompt", async () => {
    const values = Float32Array.from({ length: 160 }, (_, i) => Math.sin(i));
    await writeControlVector(path.join(folder, "vector.gguf"), new Map([[2, values]]));
    await writeFile(path.join(folder, "up.txt"), "Instruct: Name a tangerine.\\nOutput:\n");
    await writeFile(path.join(folder, "down.txt"), "Instruct: Name a walnut.\\nOutput:\n");
    const sides = ["--positive", "up.txt", "--negative", "down.txt", "--texts", "down.txt"];
    const argv = ["safety", "steer", "--vector", "vector.gguf", ...sides, "-n", "2"];
    const ran = await philab([...argv, "--strength=-1,0,1", "--out", "steer.html", "--json"], {
      cwd: folder,
    });
    expect(ran.exit, ran.err).toBe(0);
    const { steered, control } = json(ran) as Record<
      string,
      { strength: number; divergence: number; loss: number; negative: object }[]
    >;
    expect(steered?.map(({ strength }) => strength)).toEqual([-1, 0, 1]);
    expect(steered?.[1]).toEqual(control?.[1]);
    expect(steered?.[1]?.divergence).toBeCloseTo(0, 9);
    for (const doses of [steered, control])
      for (const place of [0, 2]) expect(doses?.[place]?.divergence).toBeGreaterThan(1e-3);
    expect(steered?.[2]?.negative).not.toEqual(control?.[2]?.negative);
    expect(ran.out + ran.err).not.toMatch(/tangerine|walnut/);
    expect(await readFile(path.join(folder, "steer.html"), "utf8")).not.toMatch(/tangerine|walnut/);
    const missing = await philab(["safety", "steer"], { cwd: folder });
    expect([missing.exit, missing.err]).toEqual([
      2,
      expect.stringMatching(/both sides are needed/),
    ]);
  });
});

describe("philab safety direction", () => {
  const NOUNS = ["store", "park", "school", "river", "garden", "station"];
  const file = async (name: string, of: (noun: string) => string): Promise<void> => {
    await writeFile(path.join(folder, name), NOUNS.map(of).join("\n"));
  };

  it("finds a direction, says what it does, and writes it as a control vector and as a model", async () => {
    // Sums are continued with an answer, stories with a name.
    await file("sums.txt", (noun) => `Instruct: What is ${noun.length} + 2?\\nOutput:`);
    await file(
      "stories.txt",
      (noun) => `When Mary and John went to the ${noun}, John gave a book to`,
    );
    const argv = ["safety", "direction", "--positive", "stories.txt", "--negative", "sums.txt"];
    const options = [
      "--begins",
      " Mary",
      "--max-divergence",
      "50",
      "--min-added-score",
      "-50",
      "--json",
    ];
    await file("others.txt", (noun) => `The ${noun} is near.`);
    const out = ["--texts", "others.txt", "--out", "./without", "--control-vector", "mary.gguf"];
    const ran = await philab([...argv, ...options, ...out], { cwd: folder });
    expect(ran.exit, ran.err).toBe(0);
    const { chosen, before, control, loss } = json(ran) as Record<string, Record<string, number>>;
    expect(loss?.["before"]).toBeGreaterThan(0);
    expect(loss?.["direction"]).not.toBe(loss?.["before"]);
    expect(chosen?.["withoutScore"]).toBeLessThan(before?.["positive"] ?? 0);
    expect(chosen?.["withoutScore"]).toBeLessThan(control?.["withoutScore"] ?? 0);
    const other = json(await philab([...argv, ...options, "--layer", "1"], { cwd: folder }));
    expect(other["chosen"]).toMatchObject({ layer: 1 });
    const beyond = await philab([...argv, ...options, "--layer", "99"], { cwd: folder });
    expect([beyond.exit, beyond.out]).toEqual([2, expect.stringContaining("not 99")]);
    const prompt = "When Mary and John went to the store, John gave a book to";
    const again = await philab(["run", prompt, "--model", "./without", "-n", "1"], { cwd: folder });
    expect(again.exit, again.err).toBe(0);
  });

  it("says what is missing, and when nothing stands for the behaviour alone", async () => {
    await file("mary.txt", (noun) => `When Mary and John went to the ${noun}, John gave a book to`);
    await file("john.txt", (noun) => `When Mary and John went to the ${noun}, Mary gave a book to`);
    const argv = ["safety", "direction", "--positive", "mary.txt", "--negative", "john.txt"];
    expect((await philab(["safety", "direction"], { cwd: folder })).err).toMatch(/both sides/);
    const { exit, err } = await philab([...argv, "--begins", " Mary", "--max-divergence", "0"], {
      cwd: folder,
    });
    expect([exit, err]).toEqual([
      3,
      expect.stringMatching(/no direction stands for the behaviour/),
    ]);
  });
});
