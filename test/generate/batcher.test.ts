import fc from "fast-check";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { liveBytes } from "../../src/engine/memory.ts";
import { Batcher, type BatchRequest } from "../../src/generate/batch/batcher.ts";
import { LanguageModel, type Generation } from "../../src/generate/language-model.ts";
import type { PromptToken } from "../../src/generate/prompt-logprobs.ts";
import { kernelStatus } from "../../src/kernels/kernels.ts";
import { rowsAreIndependent } from "../../src/model/independent-rows.ts";
import { readFixture } from "../support/golden.ts";

const bundled = new URL("../../models/phi-micro", import.meta.url).pathname;
const greedyTexts = readFixture<{ ids: number[]; greedy_ids: number[] }[]>("phi-micro.json");

interface Answer extends Omit<Generation, "finishReason"> {
  cachedTokens: number;
  prompt: readonly PromptToken[];
}

async function ask(batcher: Batcher, request: BatchRequest): Promise<Answer> {
  const answer: Answer = { text: "", tokens: [], cachedTokens: 0, prompt: [] };
  const tokens = [];
  for await (const event of batcher.generate(request)) {
    if (event.kind === "read") Object.assign(answer, event);
    else tokens.push(event.token);
  }
  return { ...answer, tokens, text: tokens.map(({ text }) => text).join("") };
}

/** A prompt of `length` tokens; prompts of one seed begin alike. */
const promptOf = (seed: number, length: number): number[] =>
  Array.from({ length }, (_, i) => 1 + ((seed * 7919 + i * 104_729) % 2000));

/** Texts of random lengths together, and each alone and read anew. */
async function expectSameAlone(batcher: Batcher, numRuns: number): Promise<void> {
  const request = fc.record({
    seed: fc.nat(2),
    length: fc.integer({ min: 1, max: 220 }),
    maxTokens: fc.integer({ min: 1, max: 12 }),
    temperature: fc.constantFrom(0, 1),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(request, { minLength: 2, maxLength: 9 }), async (requests) => {
      const asked = requests.map(({ seed, length, ...rest }, index) => ({
        ...{ ...rest, prompt: promptOf(seed, length), seed: 5, index, logprobs: 2 },
      }));
      const together = await Promise.all(asked.map((one) => ask(batcher, one)));
      for (const [i, one] of asked.entries()) {
        const { tokens } = await ask(batcher, { ...one, reuse: "none" });
        expect(together[i]?.tokens).toEqual(tokens);
      }
    }),
    { numRuns },
  );
}

describe("texts in a batch", () => {
  let model: LanguageModel;
  let batcher: Batcher;
  const before = liveBytes();
  beforeAll(async () => {
    model = await LanguageModel.open(bundled, { threads: 1 });
    batcher = new Batcher(model, { slots: 4, maxWaiting: 64 });
  });
  afterAll(async () => {
    await batcher.close();
    await model[Symbol.asyncDispose]();
    expect(liveBytes()).toBe(before);
  });

  /** Tokens that a second text of `length` tokens finds: whole blocks where a row's roundings depend on those beside it. */
  const keeps = (length: number): number =>
    rowsAreIndependent(model) ? length - 1 : Math.floor((length - 1) / 64) * 64;

  it("are those that transformers makes, all at once and through fewer slots than texts", async () => {
    const answers = await Promise.all(
      greedyTexts.map(({ ids }) => ask(batcher, { prompt: ids, temperature: 0, maxTokens: 32 })),
    );
    for (const [i, { greedy_ids }] of greedyTexts.entries())
      expect(answers[i]?.tokens.map(({ id }) => id)).toEqual(greedy_ids);
    expect(batcher.counts).toMatchObject({ active: 0, waiting: 0 });
  });

  it("are the same to the bit alone and beside others, read anew and from a cache", async () => {
    if (!rowsAreIndependent(model)) return;
    await expectSameAlone(batcher, 12);
  });

  it("share what they begin with: it is read once, also while the first still reads it", async () => {
    const prompt = promptOf(11, 200);
    const read = batcher.counts.promptTokens;
    const answers = await Promise.all(
      [0, 1, 2].map((index) =>
        ask(batcher, { prompt, index, seed: 1, temperature: 1, maxTokens: 4 }),
      ),
    );
    expect(answers.map(({ cachedTokens }) => cachedTokens)).toEqual([0, 192, 192]);
    expect(batcher.counts.promptTokens - read).toBe(200 + 8 + 8);
  });

  it("leave a long text in its cache when a short one begins like it", async () => {
    const long = promptOf(12, 400);
    await ask(batcher, { prompt: long, maxTokens: 1 });
    const { cachedTokens } = await ask(batcher, { prompt: long.slice(0, 80), maxTokens: 1 });
    expect(cachedTokens).toBe(keeps(80));
    expect((await ask(batcher, { prompt: long, maxTokens: 1 })).cachedTokens).toBe(keeps(400));
  });

  it("are the same to the bit however little of them is read anew", async () => {
    if (!rowsAreIndependent(model)) return;
    for (const [i, length] of [70, 129, 200].entries()) {
      const prompt = promptOf(20 + i, length);
      const asked = { prompt, seed: 5, temperature: 1, maxTokens: 6, logprobs: 2 } as const;
      const { tokens } = await ask(batcher, { ...asked, reuse: "none" });
      for (const begun of [length, length - 1, length - 37, length - 66]) {
        // Another text with this beginning, whose last rows were read beside others than those of the prompt.
        await ask(batcher, { prompt: [...prompt.slice(0, begun), 7, 8, 9], maxTokens: 3 });
        const again = await ask(batcher, asked);
        expect(again.tokens, `${length} after ${begun}`).toEqual(tokens);
      }
    }
  });

  it("give the log-probabilities of their prompts, those that scoring gives", async () => {
    const prompt = promptOf(13, 150);
    const { prompt: scored, tokens } = await ask(batcher, { prompt, readOnly: true, promptTop: 3 });
    expect(tokens).toEqual([]);
    expect(scored.map(({ id }) => id)).toEqual(prompt);
    expect(scored[0]).toEqual({ id: prompt[0], logprob: null, top: [] });
    const [score] = await model.score(prompt.slice(0, 1), [prompt.slice(1)]);
    for (const [i, token] of (score?.tokens ?? []).entries()) {
      const found = scored[i + 1];
      // Scoring keeps no cache; with ggml's attention, 16-bit keys and values make a difference.
      expect(Math.abs((found?.logprob ?? NaN) - token.logprob)).toBeLessThan(2e-3);
      expect(found?.top).toHaveLength(3);
      expect(found?.top[0]?.id === token.id).toBe(token.isGreedy);
    }
  });

  it("go on when one of them is left, fails or makes no sense", async () => {
    const good = { prompt: promptOf(14, 30), temperature: 0, maxTokens: 20 };
    const alone = await ask(batcher, good);
    const controller = new AbortController();
    const left = async (): Promise<void> => {
      for await (const event of batcher.generate({ ...good, prompt: promptOf(15, 20) }))
        if (event.kind === "token") return;
    };
    const aborted = async (): Promise<void> => {
      const request = { ...good, prompt: promptOf(16, 20), signal: controller.signal };
      for await (const event of batcher.generate(request))
        if (event.kind === "token") controller.abort();
    };
    const [beside, , stopped, biased, wild, long] = await Promise.allSettled([
      ask(batcher, good),
      left(),
      aborted(),
      ask(batcher, { ...good, logitBias: { 999999: 1 } }),
      ask(batcher, { ...good, prompt: [1, 2, -1] }),
      ask(batcher, { ...good, prompt: promptOf(1, 600) }),
    ]);
    expect(beside).toMatchObject({ value: { text: alone.text } });
    expect(stopped).toMatchObject({ reason: { code: "interrupted" } });
    expect(biased).toMatchObject({ reason: { code: "bad_input" } });
    expect(wild).toMatchObject({ reason: { code: "bad_input" } });
    expect(long).toMatchObject({ reason: { code: "too_long" } });
    expect(batcher.counts).toMatchObject({ active: 0, waiting: 0 });
  });
});

describe.runIf(kernelStatus("avx2").kernels)("on a processor that has AVX2 and no more", () => {
  beforeEach(() => vi.stubEnv("PHILAB_KERNELS", "avx2"));
  afterEach(() => vi.unstubAllEnvs());

  it("nothing is promised in fast mode, where ggml attends", async () => {
    await using model = await LanguageModel.open(bundled, { threads: 1 });
    expect(rowsAreIndependent(model)).toBe(false);
  });

  it("texts are the same to the bit in reference mode", async () => {
    await using model = await LanguageModel.open(bundled, { mode: "reference", threads: 1 });
    expect(rowsAreIndependent(model)).toBe(true);
    const batcher = new Batcher(model, { slots: 4, maxWaiting: 64 });
    await expectSameAlone(batcher, 3);
    await batcher.close();
  });
});

it("nothing is promised of caches that ggml reads", async () => {
  await using model = await LanguageModel.open(bundled, { threads: 1, cacheType: "q8_0" });
  expect(rowsAreIndependent(model)).toBe(false);
});

describe("a queue", () => {
  let model: LanguageModel;
  beforeAll(async () => {
    model = await LanguageModel.open(bundled, { threads: 1 });
  });
  afterAll(async () => model[Symbol.asyncDispose]());

  it("gives free slots to the client that has fewest texts in work", async () => {
    const batcher = new Batcher(model, { slots: 2, maxWaiting: 64 });
    const done: string[] = [];
    const send = async (client: string): Promise<void> => {
      await ask(batcher, { prompt: [1, 2, 3], client, maxTokens: 4, temperature: 0 });
      done.push(client);
    };
    await Promise.all([...Array<string>(6).fill("many"), "one"].map(send));
    expect(done.slice(0, 2).sort()).toEqual(["many", "one"]);
    await batcher.close();
  });

  it("refuses what would wait behind too many", async () => {
    const batcher = new Batcher(model, { slots: 1, maxWaiting: 2 });
    const results = await Promise.allSettled(
      Array.from({ length: 5 }, () => ask(batcher, { prompt: [1, 2], maxTokens: 2 })),
    );
    const refused = results.filter(({ status }) => status === "rejected");
    expect(refused).toHaveLength(2);
    for (const result of refused) expect(result).toMatchObject({ reason: { code: "busy" } });
    await batcher.close();
    await expect(ask(batcher, { prompt: [1], maxTokens: 1 })).rejects.toThrow("closed");
  });

  it("ends its texts when it is closed", async () => {
    const batcher = new Batcher(model, { slots: 1, maxWaiting: 2 });
    const texts = [1, 2].map((id) => ask(batcher, { prompt: [id], maxTokens: 400 }));
    const ended = Promise.allSettled(texts);
    await batcher.close();
    for (const result of await ended)
      expect(result).toMatchObject({ reason: { code: "interrupted" } });
  });
});
