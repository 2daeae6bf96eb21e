import { describe, expect, test } from "vitest";

import { resolveSampling, type SamplingOptions } from "./sampling-options.ts";

describe("what the options leave open", () => {
  test("is greedy decoding that changes nothing, with a seed drawn and told", () => {
    const { seed, ...rest } = resolveSampling({});
    expect(rest).toEqual({
      temperature: 0,
      topK: 0,
      typicalP: 1,
      topP: 1,
      minP: 0,
      repetitionPenalty: 1,
      frequencyPenalty: 0,
      presencePenalty: 0,
      logitBias: {},
      stop: [],
      logprobs: 0,
    });
    expect(Number.isInteger(seed)).toBe(true);
    expect(resolveSampling({}).seed).not.toBe(seed);
  });

  test.each<SamplingOptions>([{ topK: 40 }, { topP: 0.9 }, { minP: 0.05 }, { typicalP: 0.9 }])(
    "is temperature 1 with %j, which asks for sampling",
    (options) => {
      expect(resolveSampling(options).temperature).toBe(1);
      expect(resolveSampling({ ...options, temperature: 0 }).temperature).toBe(0);
    },
  );

  test("is nothing in settings that were decided before", () => {
    const settings = resolveSampling({
      topP: 0.9,
      maxTokens: 5,
      stop: ["\n"],
      logitBias: { 7: -100 },
    });
    expect(resolveSampling(settings)).toEqual(settings);
  });
});

describe("options that make no sense", () => {
  test.each<[SamplingOptions, RegExp]>([
    [{ temperature: -1 }, /temperature/],
    [{ temperature: Number.NaN }, /temperature/],
    [{ topP: 1.5 }, /topP/],
    [{ topK: 2.5 }, /topK/],
    [{ repetitionPenalty: 0 }, /repetitionPenalty/],
    [{ frequencyPenalty: 3 }, /frequencyPenalty/],
    [{ maxTokens: 0 }, /maxTokens/],
    [{ stop: [""] }, /stop.0/],
    [{ stop: ["\ud83d"] }, /stop.0: expected whole characters/],
    [{ logitBias: { the: 1 } }, /logitBias/],
    [{ logitBias: { 5: 101 } }, /logitBias.5/],
    [{ seed: -1 }, /seed/],
    [{ topP: 2, topK: -1 }, /topK.*topP/],
  ])("%j is refused by name", (options, message) => {
    expect(() => resolveSampling(options)).toThrow(
      expect.objectContaining({
        code: "bad_input",
        message: expect.stringMatching(message) as string,
      }) as Error,
    );
  });
});
