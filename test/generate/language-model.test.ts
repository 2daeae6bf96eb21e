import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { liveBytes } from "../../src/engine/memory.ts";
import type { GeneratedToken } from "../../src/generate/generate.ts";
import { LanguageModel } from "../../src/generate/language-model.ts";
import { KV_CACHE_TYPES } from "../../src/model/kv-cache.ts";
import { maxDifference, readFixture } from "../support/golden.ts";

const bundled = new URL("../../models/phi-micro", import.meta.url).pathname;
const prompts =
  readFixture<{ prompt: string; ids: number[]; greedy_ids: number[] }[]>("phi-micro.json");
const texts = prompts.map(({ prompt }) => prompt);

async function collect(tokens: AsyncIterable<GeneratedToken>): Promise<GeneratedToken[]> {
  const found: GeneratedToken[] = [];
  for await (const token of tokens) found.push(token);
  return found;
}

describe("generation with the bundled model", () => {
  let model: LanguageModel;
  const before = liveBytes();
  beforeAll(async () => {
    model = await LanguageModel.open(bundled, { threads: 1 });
  });
  afterAll(async () => {
    await model[Symbol.asyncDispose]();
    expect(liveBytes()).toBe(before);
  });

  it("gives the greedy continuations of transformers in fast mode too", async () => {
    for (const { prompt, greedy_ids } of prompts) {
      const { tokens } = await model.complete(prompt, { temperature: 0, maxTokens: 32 });
      expect(tokens.map(({ id }) => id)).toEqual(greedy_ids);
    }
  });

  it("gives the same tokens and probabilities whatever the cache held before", async () => {
    const ids = fc.array(fc.integer({ min: 1, max: 2000 }), { minLength: 1, maxLength: 200 });
    const options = { temperature: 1, seed: 7, maxTokens: 5, logprobs: 3 } as const;
    await fc.assert(
      fc.asyncProperty(ids, ids, fc.nat(200), async (first, second, shared) => {
        const prompt = [...first.slice(0, shared), ...second];
        const fresh = await model.complete(prompt, { ...options, reuse: "none" });
        await model.complete(first, { ...options, maxTokens: 20 });
        const cached = await model.complete(prompt, options);
        expect(cached).toEqual(fresh);
      }),
      { numRuns: 15 },
    );
  });

  it("continues several prompts together as it continues each alone", async () => {
    const options = { temperature: 0, maxTokens: 24 } as const;
    const together = await collect(model.generateBatch(texts, options));
    for (const [index, { greedy_ids }] of prompts.entries()) {
      const ids = together.filter((token) => token.index === index).map(({ id }) => id);
      expect(ids).toEqual(greedy_ids.slice(0, 24));
    }
  });

  it("scores continuations side by side as it scores them one by one", async () => {
    const prompt = "When Mary and John went to the store, John gave a book to";
    const names = [" Mary", " John", " Mary and John", "", " the store keeper of the town"];
    const together = await model.score(prompt, names);
    for (const [i, name] of names.entries()) {
      const [alone] = await model.score(prompt, [name]);
      expect(together[i]?.logprob).toBeCloseTo(alone?.logprob ?? NaN, 3);
      expect(together[i]?.tokens.map(({ id }) => id)).toEqual(alone?.tokens.map(({ id }) => id));
    }
    expect(together[0]?.isGreedy).toBe(true);
    expect(together[3]).toEqual({ logprob: 0, isGreedy: true, tokens: [] });
  });

  it("streams the text that the tokens decode to, and says why it ended", async () => {
    const tokens = await collect(model.generate(texts[0] ?? "", { maxTokens: 32 }));
    const text = tokens.map((token) => token.text).join("");
    expect(text).toBe(model.tokenizer.decode(tokens.map(({ id }) => id)));
    expect(tokens.at(-1)?.finishReason).toBe("length");
    expect(tokens.slice(0, -1).every(({ finishReason }) => finishReason === undefined)).toBe(true);
  });

  it("ends before a stop string and emits no part of it", async () => {
    const full = await model.complete(texts[0] ?? "", { maxTokens: 32 });
    const stop = full.text.slice(10, 16);
    const cut = await model.complete(texts[0] ?? "", { maxTokens: 32, stop: [stop] });
    expect(cut.text).toBe(full.text.slice(0, full.text.indexOf(stop)));
    expect(cut.finishReason).toBe("stop");
  });

  it("stops when the signal fires, and answers the next call", async () => {
    const controller = new AbortController();
    const tokens: GeneratedToken[] = [];
    await expect(async () => {
      for await (const token of model.generate(texts[0] ?? "", {
        maxTokens: 400,
        signal: controller.signal,
      })) {
        tokens.push(token);
        if (tokens.length === 3) controller.abort();
      }
    }).rejects.toMatchObject({ code: "interrupted" });
    expect(tokens).toHaveLength(3);
    const { tokens: again } = await model.complete(texts[0] ?? "", { maxTokens: 4 });
    expect(again.map(({ id }) => id)).toEqual(prompts[0]?.greedy_ids.slice(0, 4));
  });

  it("lets two generations run at once without mixing them up", async () => {
    const [a, b] = await Promise.all(
      [0, 1].map((i) => model.complete(texts[i] ?? "", { temperature: 0, maxTokens: 16 })),
    );
    expect(a?.tokens.map(({ id }) => id)).toEqual(prompts[0]?.greedy_ids.slice(0, 16));
    expect(b?.tokens.map(({ id }) => id)).toEqual(prompts[1]?.greedy_ids.slice(0, 16));
  });

  it("refuses prompts that it cannot read, with the counts", async () => {
    await expect(model.complete(Array<number>(600).fill(5))).rejects.toMatchObject({
      code: "too_long",
      message: "the prompt has 600 tokens; the context holds 512 (88 too many)",
    });
    await expect(model.complete([])).rejects.toMatchObject({ code: "bad_input" });
    await expect(model.complete([5000])).rejects.toMatchObject({ code: "bad_input" });
    await expect(model.complete([-1])).rejects.toMatchObject({ code: "bad_input" });
  });

  it("fills the context to its last token and no further", async () => {
    const { tokens, finishReason } = await model.complete(Array<number>(505).fill(5), {
      temperature: 1,
      seed: 1,
      maxTokens: 100,
      logitBias: { "0": -100 },
    });
    expect(tokens).toHaveLength(8);
    expect(finishReason).toBe("length");
  });
});

describe("cached keys and values", () => {
  for (const cacheType of KV_CACHE_TYPES)
    it(`keep their meaning as ${cacheType}`, async () => {
      await using reference = await LanguageModel.open(bundled, { mode: "reference", threads: 1 });
      await using model = await LanguageModel.open(bundled, { cacheType, threads: 1 });
      const ids = prompts[0]?.ids ?? [];
      const [exact] = await reference.score(ids.slice(0, 1), [ids.slice(1)]);
      const [found] = await model.score(ids.slice(0, 1), [ids.slice(1)]);
      const logprobs = (tokens: readonly { logprob: number }[] = []) =>
        tokens.map((t) => t.logprob);
      const difference = maxDifference(logprobs(exact?.tokens), logprobs(found?.tokens));
      expect(difference).toBeLessThan(cacheType === "q8_0" ? 0.2 : 0.05);
    });
});
