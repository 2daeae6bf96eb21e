/** Many log-likelihoods at once: the same numbers as one after the other, whatever is computed together. */
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { planScores, rowsOf, type ScoreRequest } from "../../src/generate/score-plan.ts";
import type { LanguageModel } from "../../src/generate/language-model.ts";
import { open } from "../../src/open.ts";

const CAPACITY = 512;

const ids = (max: number): fc.Arbitrary<number[]> =>
  fc.array(fc.integer({ min: 1, max: 600 }), { minLength: 1, maxLength: max });

/** Contexts of which some begin alike. */
const requests: fc.Arbitrary<ScoreRequest[]> = fc
  .array(ids(150), { minLength: 1, maxLength: 3 })
  .chain((starts) =>
    fc.array(
      fc.record({
        start: fc.constantFrom(...starts),
        end: ids(40),
        continuation: fc.oneof(ids(12), fc.constant([])),
      }),
      { minLength: 1, maxLength: 24 },
    ),
  )
  .map((rows) =>
    rows.map(({ start, end, continuation }) => ({ context: [...start, ...end], continuation })),
  );

describe("a plan", () => {
  it("computes every request once, within the rows of a pass", () => {
    fc.assert(
      fc.property(requests, (given) => {
        const found: [number, string][] = [];
        for (const { prefix, branches } of planScores(given, { capacity: CAPACITY })) {
          expect(prefix.length % 64).toBe(0);
          const rows = branches.reduce((sum, branch) => sum + rowsOf(branch), 0);
          expect(rows).toBeLessThanOrEqual(CAPACITY - prefix.length);
          for (const { context, continuations } of branches)
            for (const { index, ids } of continuations)
              found.push([index, [...prefix, ...context, "|", ...ids].join()]);
        }
        const expected = given.map(({ context, continuation }, i) => [
          i,
          [...context, "|", ...continuation].join(),
        ]);
        expect(found.sort(([a], [b]) => a - b)).toEqual(expected);
      }),
    );
  });

  it("reads what many questions begin with once", () => {
    const examples = Array.from({ length: 300 }, (_, i) => (i * 7) % 500);
    const given = Array.from({ length: 40 }, (_, i) => ({
      context: [...examples, i, 501, 502],
      continuation: [1 + (i % 4)],
    }));
    const passes = planScores(given, { capacity: 2048 });
    expect(passes.map(({ prefix }) => prefix.length)).toEqual([256, 256, 256, 256]);
  });

  it("refuses what does not fit, with the counts", () => {
    const long = { context: Array.from({ length: 500 }, () => 1), continuation: [1, 2] };
    expect(planScores([long], { capacity: 501 })).toHaveLength(1);
    expect(() => planScores([long], { capacity: 500 })).toThrow(
      "a context of 500 tokens and a continuation of 2; the model's context holds 500",
    );
    expect(() => planScores([{ context: [], continuation: [1] }], { capacity: 9 })).toThrow();
  });
});

describe("a pass", () => {
  let model: LanguageModel;
  beforeAll(async () => {
    model = await open("phi-micro", { mode: "reference", threads: 1 });
  });
  afterAll(() => model[Symbol.asyncDispose]());

  it("gives the numbers of scoring each request by itself, whatever was read before", async () => {
    const property = fc.asyncProperty(requests, async (given) => {
      const passes = planScores(given, { capacity: model.contextLength });
      const scores: { logprob: number; isGreedy: boolean }[] = [];
      for (const pass of [...passes].reverse())
        for (const { index, ...score } of await model.scorePass(pass)) scores[index] = score;
      for (const [i, { context, continuation }] of given.entries()) {
        const [alone] = await model.score(context, [continuation]);
        expect(scores[i]?.logprob).toBeCloseTo(alone?.logprob ?? NaN, 3);
        expect(scores[i]?.isGreedy).toBe(alone?.isGreedy);
      }
      // To the bit, however often: what was interrupted may go on.
      for (const pass of passes.slice(-2))
        for (const { index, logprob } of await model.scorePass(pass))
          expect(logprob).toBe(scores[index]?.logprob);
    });
    await fc.assert(property, { numRuns: 8 });
  });
});
