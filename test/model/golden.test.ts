import { describe, expect, it } from "vitest";
import { LanguageModel } from "../../src/generate/language-model.ts";
import { Sequence } from "../../src/generate/sequence.ts";
import { fixture, maxDifference, readFixture, readTensors } from "../support/golden.ts";

interface MiniInputs {
  input_ids: number[][];
  greedy_ids: number[];
  greedy_prompt_len: number;
}

interface MicroPrompt {
  prompt: string;
  ids: number[];
  logprobs: number[];
  top5: [id: number, logprob: number][];
  greedy_ids: number[];
}

const bundled = new URL("../../models/phi-micro", import.meta.url).pathname;

/** Logits at every position of a text, `[T, V]`, from an empty cache. */
async function logitsOf(model: LanguageModel, ids: readonly number[]): Promise<Float32Array[]> {
  using sequence = new Sequence(model.runner, { capacity: 64, type: model.cacheType });
  const rows: Float32Array[] = [];
  for (let t = 1; t <= ids.length; t++)
    rows.push((await sequence.read(ids.slice(0, t), { reuse: "longest" })).logits);
  return rows;
}

describe("phi-mini against transformers", () => {
  const inputs = readFixture<MiniInputs>("phi-mini/inputs.json");
  const layouts = [
    "phi-mini",
    ...["mixformer", "phi-msft", "interim"].map((l) => `phi-mini-legacy/${l}`),
  ];

  for (const layout of layouts)
    it(`gives the logits and greedy tokens of transformers from the layout ${layout}`, async () => {
      const expected = await readTensors(fixture("phi-mini/expected.safetensors"));
      const logits = expected.get("logits")?.values as Float32Array;
      await using model = await LanguageModel.open(fixture(layout), {
        mode: "reference",
        threads: 1,
      });
      for (const [b, ids] of inputs.input_ids.entries()) {
        const rows = await logitsOf(model, ids);
        rows.forEach((row, t) => {
          const start = (b * ids.length + t) * row.length;
          expect(maxDifference(row, logits.subarray(start, start + row.length))).toBeLessThan(1e-4);
        });
      }
      const prompt = inputs.greedy_ids.slice(0, inputs.greedy_prompt_len);
      const { tokens } = await model.complete(prompt, {
        temperature: 0,
        maxTokens: inputs.greedy_ids.length - prompt.length,
      });
      expect([...prompt, ...tokens.map(({ id }) => id)]).toEqual(inputs.greedy_ids);
    });
});

describe("phi-micro against transformers", () => {
  const prompts = readFixture<MicroPrompt[]>("phi-micro.json");

  it("gives its log-probabilities, most likely tokens and greedy continuations in reference mode", async () => {
    await using model = await LanguageModel.open(bundled, { mode: "reference", threads: 1 });
    for (const { prompt, ids, logprobs, top5, greedy_ids } of prompts) {
      expect(model.promptIds(prompt)).toEqual(ids);
      const [score] = await model.score(ids.slice(0, 1), [ids.slice(1)]);
      const found = score?.tokens.map(({ logprob }) => logprob) ?? [];
      expect(maxDifference(found, logprobs)).toBeLessThan(1e-4);
      const { tokens } = await model.complete(prompt, {
        temperature: 0,
        maxTokens: 32,
        logprobs: 5,
      });
      expect(tokens.map(({ id }) => id)).toEqual(greedy_ids);
      expect(tokens[0]?.top.map(({ id }) => id)).toEqual(top5.map(([id]) => id));
      expect(
        maxDifference(
          tokens[0]?.top.map(({ logprob }) => logprob) ?? [],
          top5.map(([, logprob]) => logprob),
        ),
      ).toBeLessThan(1e-4);
    }
  });
});
