/** Lenses and probes: what can be read off the stream. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Random } from "../../src/base/random.ts";
import { LanguageModel } from "../../src/generate/language-model.ts";
import {
  divergence,
  fitProbe,
  fitTunedLens,
  logitLens,
  measure,
  translate,
} from "../../src/interpret/index.ts";
import { open } from "../../src/open.ts";
import { fixture, readTensors } from "../support/golden.ts";
import { softmax } from "../support/logits.ts";

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

const values = (name: string): Float32Array => theirs.get(name)?.values ?? new Float32Array();

describe("the logit lens", () => {
  test("says in every layer what TransformerLens says, within 1e-5", async () => {
    const { vocabSize, layers } = phi.config;
    const lens = await logitLens(phi, [...values("clean")], { positions: [-1], top: 512 });
    expect(lens.cells).toHaveLength(layers + 1);
    lens.cells.forEach(([cell], layer) => {
      const logits = values("logit_lens").subarray(layer * vocabSize, (layer + 1) * vocabSize);
      const shares = softmax([...logits]);
      for (const { id, probability } of cell?.top ?? [])
        expect(Math.abs(probability - (shares[id] ?? NaN))).toBeLessThan(1e-5);
    });
  });

  test("ends with the model's own words", async () => {
    const prompt = "When Mary and John went to the store, John gave a book to";
    const lens = await logitLens(micro, prompt, { answer: " Mary", positions: [3, -1] });
    const [score] = await micro.score(prompt, [" Mary"]);
    const last = lens.cells.at(-1)?.[1];
    expect(lens.layers.at(-1)).toBe("final");
    expect(last?.divergence).toBe(0);
    expect(last?.rank).toBe(0);
    expect(Math.log(last?.probability ?? NaN)).toBeCloseTo(score?.logprob ?? NaN, 4);
    expect(lens.cells.map((row) => row[1]?.divergence)[0]).toBeGreaterThan(1);
  });

  test("of more rows than fit together is the same as of single ones", async () => {
    const text = "def add_numbers(a, b):\n    return a + b\n".repeat(4);
    const all = await logitLens(micro, text, { top: 1 });
    expect(all.ids.length).toBeGreaterThan(32);
    const one = await logitLens(micro, text, { top: 1, positions: [20] });
    one.cells.forEach(([cell], layer) => {
      expect(cell?.top[0]?.id).toBe(all.cells[layer]?.[20]?.top[0]?.id);
      expect(cell?.divergence).toBeCloseTo(all.cells[layer]?.[20]?.divergence ?? NaN, 4);
    });
  });
});

describe("the tuned lens", () => {
  test("comes closer to the model than the logit lens on tokens that it was not fitted to", async () => {
    const prompts = ["Mary", "Tom", "Ruth", "Max"].map(
      (name) =>
        `When ${name} and John went to the store, John gave a book to ${name}. Then ${name} had a drink. What is 3 + 4?`,
    );
    const lens = await fitTunedLens(micro, prompts, { steps: 40, seed: 1, batchTokens: 32 });
    expect(lens.translators).toHaveLength(micro.config.layers);
    lens.after.forEach((after, layer) => {
      expect(after, `layer ${layer}`).toBeLessThan(lens.before[layer] ?? 0);
    });
    const again = await fitTunedLens(micro, prompts, { steps: 40, seed: 1, batchTokens: 32 });
    expect(again.after).toEqual(lens.after);
  });

  test("that adds nothing is the logit lens", () => {
    const stream = Float32Array.of(1, 2, 3, 4);
    const nothing = { weight: new Float32Array(4), bias: new Float32Array(2) };
    expect([...translate(stream, nothing)]).toEqual([1, 2, 3, 4]);
    const swap = { weight: Float32Array.of(0, 1, 1, 0), bias: Float32Array.of(0, 10) };
    expect([...translate(stream, swap)]).toEqual([3, 13, 7, 17]);
  });

  test("wants more than a few tokens", async () => {
    await expect(fitTunedLens(micro, ["one"])).rejects.toThrow(/more than the/);
  });
});

describe("a probe", () => {
  const random = new Random(4);
  const labels = Array.from({ length: 120 }, (_, i) => i % 2 === 0);
  const noise = labels.map(() => Float64Array.from({ length: 20 }, () => random.normal()));

  test("finds a planted direction, which its control does not", () => {
    const planted = noise.map((row, i) =>
      row.map((x, d) => (d === 3 ? x + (labels[i] ? 4 : -4) : x)),
    );
    const probe = fitProbe(planted, labels, { seed: 2 });
    expect(probe.accuracy).toBeGreaterThan(0.95);
    expect(probe.controlAccuracy).toBeLessThan(0.7);
    const largest = probe.direction.reduce(
      (best, x, d) => (x > (probe.direction[best] ?? 0) ? d : best),
      0,
    );
    expect(largest).toBe(3);
  });

  test("finds nothing in noise", () => {
    expect(Math.abs(fitProbe(noise, labels, { seed: 2 }).accuracy - 0.5)).toBeLessThan(0.25);
  });

  test("wants four of each class", () => {
    expect(() => fitProbe(noise.slice(0, 6), labels.slice(0, 6))).toThrow(/four of each/);
  });
});

describe("metrics", () => {
  const logits = Float32Array.of(1, 2, 4, 0);
  test("are differences of logits, of probabilities, and a logarithm", () => {
    const answers = { right: [2], wrong: [0, 1] };
    const shares = softmax([...logits]);
    expect(measure(logits, answers)).toBeCloseTo(2.5, 6);
    expect(measure(logits, answers, "prob_diff")).toBeCloseTo(
      (shares[2] ?? NaN) - (shares[0] ?? NaN) - (shares[1] ?? NaN),
      6,
    );
    expect(measure(logits, answers, "log_prob")).toBeCloseTo(Math.log(shares[2] ?? NaN), 6);
    expect(() => measure(logits, { right: [1], wrong: [] })).toThrow(/needs a right/);
  });

  test("know how far two distributions are apart", () => {
    expect(divergence(logits, logits)).toBe(0);
    expect(
      divergence(
        logits,
        logits.map((x) => x + 3),
      ),
    ).toBeCloseTo(0, 6);
    expect(divergence(logits, Float32Array.of(0, 0, 0, 0))).toBeGreaterThan(0.5);
  });
});
