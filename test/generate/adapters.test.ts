import { afterAll, beforeAll, describe, expect, it } from "vitest";
import fc from "fast-check";
import { liveBytes } from "../../src/engine/memory.ts";
import type { GeneratedToken } from "../../src/generate/generate.ts";
import type { LanguageModel } from "../../src/generate/language-model.ts";
import { fixture } from "../support/golden.ts";
import { ADAPTERS, ids, openMini } from "../support/peft.ts";

const greedy = { temperature: 0, maxTokens: 12, logprobs: 2 } as const;
const peft = (name: string) => fixture(`peft/${name}`);

describe("a model with several adapters", () => {
  let model: LanguageModel;
  const before = liveBytes();
  beforeAll(async () => {
    model = await openMini(fixture("phi-mini"), { mode: "fast" });
    for (const name of ADAPTERS) await model.loadAdapter(peft(name));
  });
  afterAll(async () => {
    await model[Symbol.asyncDispose]();
    expect(liveBytes()).toBe(before);
  });

  it("says what is loaded", () => {
    expect([...model.adapters.keys()]).toEqual([...ADAPTERS]);
    expect(model.adapters.get("rslora")).toMatchObject({
      path: peft("rslora"),
      fingerprint: expect.stringMatching(/^[0-9a-f]{64}$/) as string,
      config: { rank: 4, useRslora: true },
      modules: 13,
      notes: [],
    });
    const hashes = [...model.adapters.values()].map(({ fingerprint }) => fingerprint);
    expect(new Set(hashes).size).toBe(3);
    expect(model.adapter).toBeNull();
  });

  it("answers each call under the adapter that it names, whatever came before", async () => {
    const adapters = [null, ...ADAPTERS];
    const fresh = new Map<string | null, unknown>();
    for (const adapter of adapters)
      fresh.set(adapter, await model.complete(ids, { ...greedy, adapter, reuse: "none" }));
    const texts = [...fresh.values()].map((generation) => JSON.stringify(generation));
    expect(new Set(texts).size).toBe(adapters.length);
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.constantFrom(...adapters), { minLength: 1, maxLength: 6 }),
        async (calls) => {
          for (const adapter of calls)
            expect(await model.complete(ids, { ...greedy, adapter })).toEqual(fresh.get(adapter));
        },
      ),
      { numRuns: 10 },
    );
  });

  it("keeps no prefix of one adapter for another, even where all that is shared is kept", async () => {
    const long = Array.from({ length: 200 }, (_, i) => (i * 37) % 500);
    const fresh = await model.complete(long, { ...greedy, adapter: "plain", reuse: "none" });
    for (const adapter of [null, "rslora", "dora"])
      await model.complete(long, { ...greedy, adapter, reuse: "longest" });
    expect(await model.complete(long, { ...greedy, adapter: "plain" })).toEqual(fresh);
  });

  it("computes calls under different adapters at the same time", async () => {
    const alone = await Promise.all(
      ADAPTERS.map(async (adapter) => model.complete(ids, { ...greedy, adapter })),
    );
    expect(new Set(alone.map(({ tokens }) => tokens.map(({ id }) => id).join())).size).toBe(3);
    for (const [i, adapter] of ADAPTERS.entries())
      expect(await model.complete(ids, { ...greedy, adapter })).toEqual(alone[i]);
  });

  it("scores under them", async () => {
    const scores = await Promise.all(
      [null, ...ADAPTERS].map(async (adapter) => model.score(ids, [[5, 6], [7]], { adapter })),
    );
    expect(new Set(scores.map(([first]) => first?.logprob)).size).toBe(4);
  });

  it("uses the chosen one where a call names none", async () => {
    model.useAdapter("dora");
    expect(model.adapter).toBe("dora");
    const chosen = await model.complete(ids, greedy);
    expect(chosen).toEqual(await model.complete(ids, { ...greedy, adapter: "dora" }));
    expect(chosen).not.toEqual(await model.complete(ids, { ...greedy, adapter: null }));
    model.useAdapter(null);
    expect(await model.complete(ids, greedy)).toEqual(
      await model.complete(ids, { ...greedy, adapter: null }),
    );
  });

  it("refuses names that are not loaded, and names that are taken", async () => {
    await expect(model.complete(ids, { adapter: "plan" })).rejects.toMatchObject({
      code: "not_found",
      message: "no adapter named plan is loaded",
      hint: "Did you mean plain?",
    });
    expect(() => model.useAdapter("x")).toThrow("no adapter named x is loaded");
    expect(() => model.unloadAdapter("x")).toThrow(
      expect.objectContaining({ hint: "Loaded: plain, rslora, dora." }) as Error,
    );
    await expect(model.loadAdapter(peft("plain"))).rejects.toMatchObject({ code: "bad_input" });
  });

  it("frees an adapter that is unloaded, after the calls that use it", async () => {
    const held = liveBytes();
    await model.loadAdapter(peft("rslora"), { name: "second" });
    model.useAdapter("second");
    const whole = await model.complete(ids, { ...greedy, adapter: "second" });
    const tokens: GeneratedToken[] = [];
    for await (const token of model.generate(ids, { ...greedy, adapter: "second" })) {
      tokens.push(token);
      if (tokens.length !== 2) continue;
      model.unloadAdapter("second");
      expect(model.adapter).toBeNull();
      await expect(model.complete(ids, { adapter: "second" })).rejects.toThrow("no adapter named");
      expect(liveBytes()).toBeGreaterThan(held);
    }
    expect(tokens).toEqual(whole.tokens);
    await model.complete(ids, greedy);
    expect(liveBytes()).toBe(held);
  });
});

it("a model that is closed ends calls under its adapters first, and frees everything", async () => {
  const before = liveBytes();
  const model = await openMini();
  await model.loadAdapter(peft("plain"));
  const tokens: GeneratedToken[] = [];
  for await (const token of model.generate(ids, { ...greedy, adapter: "plain" })) {
    tokens.push(token);
    if (tokens.length === 2) await model[Symbol.asyncDispose]();
  }
  expect(tokens).toHaveLength(12);
  expect(liveBytes()).toBe(before);
  expect(() => model.runnerFor("plain")).toThrow("the model is closed");
  await expect(model.loadAdapter(peft("plain"))).rejects.toThrow("the model is closed");
  expect(liveBytes()).toBe(before);
});
