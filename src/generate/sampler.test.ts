import fc from "fast-check";
import { describe, expect, test } from "vitest";

import { logits, softmax } from "../../test/support/logits.ts";
import { Sampler } from "./sampler.ts";
import type { SamplingOptions } from "./sampling-options.ts";

describe("sampling", () => {
  test("draws tokens as often as they are likely", () => {
    const values = Float32Array.of(2, -Infinity, 1, 0, -1, 1.5, -30);
    const sampler = new Sampler({ temperature: 0.8, seed: 7 });
    const { ids, probabilities } = sampler.distribution(values);
    const draws = 40_000;
    const counts = new Map<number, number>();
    for (let i = 0; i < draws; i++) {
      const { id } = sampler.sample(values);
      counts.set(id, (counts.get(id) ?? 0) + 1);
    }
    expect(counts.has(1)).toBe(false);
    let chiSquare = 0;
    for (const [i, id] of ids.entries()) {
      const expected = probabilities[i]! * draws;
      if (expected > 5) chiSquare += ((counts.get(id) ?? 0) - expected) ** 2 / expected;
    }
    expect(chiSquare).toBeLessThan(18.5); // 99.9 % of χ² with 4 degrees of freedom
  });

  const draw = (options: SamplingOptions, stream: number): number[] => {
    const values = Float32Array.from({ length: 50 }, (_, i) => Math.sin(i));
    const sampler = new Sampler(options, { stream });
    return Array.from({ length: 30 }, () => sampler.sample(values).id);
  };

  test("gives the same tokens with the same seed, others with another seed or stream", () => {
    const options = { temperature: 1, seed: 3 };
    expect(draw(options, 0)).toEqual(draw(options, 0));
    expect(draw(options, 0)).not.toEqual(draw({ ...options, seed: 4 }, 0));
    expect(draw(options, 0)).not.toEqual(draw(options, 1));
  });

  test("tells the seed that it drew, so that the tokens can be had again", () => {
    const values = Float32Array.from({ length: 50 }, (_, i) => Math.sin(i));
    const first = new Sampler({ temperature: 1 });
    const again = new Sampler(first.settings);
    for (let i = 0; i < 20; i++) expect(again.sample(values).id).toBe(first.sample(values).id);
  });

  test("at temperature 0 takes the likeliest token, of equal ones the lowest id", () => {
    fc.assert(
      fc.property(logits, (values) => {
        const expected = values.indexOf(Math.max(...values));
        expect(new Sampler({}).sample(values).id).toBe(expected);
        expect(new Sampler({ temperature: 0, topK: 5, topP: 0.5 }).sample(values).id).toBe(
          expected,
        );
      }),
    );
  });

  test("never takes an id that the tokenizer does not have", () => {
    fc.assert(
      fc.property(
        logits,
        fc.integer({ min: 1, max: 80 }),
        fc.nat(1000),
        (values, vocabSize, seed) => {
          for (const temperature of [0, 2]) {
            const sampler = new Sampler({ temperature, seed, logprobs: 80 }, { vocabSize });
            const { id, top } = sampler.sample(values);
            expect(id).toBeLessThan(vocabSize);
            expect(top.every((other) => other.id < vocabSize)).toBe(true);
          }
        },
      ),
    );
  });

  test("leaves the logits as they were", () => {
    const values = Float32Array.of(1, 2, 3);
    const sampler = new Sampler({
      temperature: 1,
      topK: 2,
      repetitionPenalty: 2,
      logitBias: { 0: 5 },
    });
    sampler.observe([2]);
    sampler.sample(values);
    expect([...values]).toEqual([1, 2, 3]);
  });
});

describe("log-probabilities", () => {
  test("are the model's own, over all rows, whatever the options change", () => {
    const everything: SamplingOptions = {
      temperature: 2,
      topP: 0.7,
      repetitionPenalty: 1.5,
      presencePenalty: 1,
      logitBias: { 0: 3 },
      logprobs: 5,
      seed: 1,
    };
    fc.assert(
      fc.property(logits, (values) => {
        const own = softmax(Array.from(values)).map(Math.log);
        for (const options of [{ logprobs: 5 }, everything]) {
          const sampler = new Sampler(options, { vocabSize: Math.max(1, values.length - 2) });
          sampler.observe([0]);
          for (let i = 0; i < 2; i++) {
            const { id, logprob, top } = sampler.sample(values);
            for (const token of [{ id, logprob }, ...top])
              if (own[token.id]! > -700)
                expect(Math.abs(token.logprob - own[token.id]!)).toBeLessThan(1e-9);
          }
        }
      }),
    );
  });

  test("of the alternatives come with the likeliest first, of equal ones the lowest id first", () => {
    fc.assert(
      fc.property(logits, fc.nat(90), (values, logprobs) => {
        const order = [...values.keys()].sort((a, b) => values[b]! - values[a]! || a - b);
        const { top } = new Sampler({ logprobs }).sample(values);
        expect(top.map(({ id }) => id)).toEqual(order.slice(0, logprobs));
      }),
    );
  });
});

describe("penalties", () => {
  /** The logits that the sampler ends up with, less those of token 0, which nothing changes. */
  function changedLogits(
    options: SamplingOptions,
    prompt: readonly number[],
    sampled: readonly number[],
  ): number[] {
    const values = Float32Array.of(0.5, 2, -1, 3, -2);
    const sampler = new Sampler({ temperature: 1, ...options });
    sampler.observe(prompt);
    for (const id of sampled)
      sampler.sample(Float32Array.from(values, (_, i) => (i === id ? 100 : -100)));
    const { ids, probabilities } = sampler.distribution(values);
    const changed = values.map(() => -Infinity);
    for (const [i, id] of ids.entries())
      changed[id] = Math.log(probabilities[i]! / probabilities[0]!) + 0.5;
    return Array.from(changed);
  }
  const close = (values: readonly number[]): unknown =>
    values.map((value) => expect.closeTo(value, 5) as unknown);

  test("repetition divides positive and multiplies negative logits once, of prompt and answer (Hugging Face)", () => {
    expect(changedLogits({ repetitionPenalty: 1.25 }, [1, 2, 1], [4, 4])).toEqual(
      close([0.5, 2 / 1.25, -1 * 1.25, 3, -2 * 1.25]),
    );
  });

  test("frequency counts a token of the answer each time, presence once; the prompt does not count (OpenAI)", () => {
    expect(changedLogits({ frequencyPenalty: 0.5 }, [1, 2], [3, 3, 4])).toEqual(
      close([0.5, 2, -1, 2, -2.5]),
    );
    expect(changedLogits({ presencePenalty: 0.5 }, [1, 2], [3, 3, 4])).toEqual(
      close([0.5, 2, -1, 2.5, -2.5]),
    );
  });

  test("the bias comes before the penalties, and the repetition penalty before the other two", () => {
    const options = {
      logitBias: { 1: -3 },
      repetitionPenalty: 2,
      frequencyPenalty: 1,
      presencePenalty: 0.25,
    };
    expect(changedLogits(options, [], [1])).toEqual(close([0.5, (2 - 3) * 2 - 1.25, -1, 3, -2]));
  });

  test("decide greedy decoding too", () => {
    const values = Float32Array.of(1, 1.5, 0);
    const sampler = new Sampler({ presencePenalty: 1 });
    expect([0, 0, 0].map(() => sampler.sample(values).id)).toEqual([1, 0, 1]);
    expect(new Sampler({ logitBias: { 2: 100 } }).sample(values).id).toBe(2);
  });

  test("ids of the prompt that cannot be sampled do no harm; a bias on one is refused", () => {
    const values = Float32Array.of(1, 2, 3);
    const sampler = new Sampler({ repetitionPenalty: 2 }, { vocabSize: 2 });
    sampler.observe([2, 50_000]);
    expect(sampler.sample(values).id).toBe(1);
    const biased = new Sampler({ logitBias: { 2: 1 } }, { vocabSize: 2 });
    expect(() => biased.sample(values)).toThrow(/logitBias names token 2/);
  });
});

describe("logits that are no distribution", () => {
  test.each<[string, number[], RegExp]>([
    ["a NaN", [0, Number.NaN, 1], /1 of 3 are NaN and 0 infinite/],
    ["NaN only", [Number.NaN, Number.NaN], /2 of 2 are NaN/],
    ["+Infinity", [0, Infinity], /0 of 2 are NaN and 1 infinite/],
    ["-Infinity only", [-Infinity, -Infinity], /all 2 are -Infinity/],
  ])("with %s are an engine_failed error", (_, values, message) => {
    for (const temperature of [0, 1])
      expect(() => new Sampler({ temperature }).sample(Float32Array.from(values))).toThrow(
        expect.objectContaining({
          code: "engine_failed",
          message: expect.stringMatching(message) as string,
        }) as Error,
      );
  });

  test("are refused when padding is all that could be taken", () => {
    const sampler = new Sampler({ temperature: 1 }, { vocabSize: 1 });
    expect(() => sampler.sample(Float32Array.of(-Infinity, 1))).toThrow(/all 1 are -Infinity/);
  });
});
