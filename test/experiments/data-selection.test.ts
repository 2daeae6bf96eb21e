/** What the data-selection experiment stands on: its lessons, what is held out of them, and its statistics. */
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { damage } from "../../experiments/data-selection/damage.ts";
import { planRuns } from "../../experiments/data-selection/design.ts";
import {
  COMPOSITIONS,
  exercise,
  lesson,
  splitCompositions,
} from "../../experiments/data-selection/lessons.ts";
import { difference, estimate, groupSums } from "../../experiments/data-selection/statistics.ts";
import { execute, Random } from "philab/data";
import { PyodideSandbox } from "philab/sandbox";

const random = new Random(7);
const { taught, heldOut } = splitCompositions(random.split(0));
const right = Array.from({ length: 150 }, (_, i) =>
  lesson({ taught, heldOut, wrong: false }, random.split(i + 1)),
);
const wrong = Array.from({ length: 40 }, (_, i) =>
  lesson({ taught, heldOut, wrong: true }, random.split(1_000 + i)),
);
const exercises = heldOut.map((composition, i) => exercise(composition, random.split(2_000 + i)));

describe("lessons", () => {
  let sandbox: PyodideSandbox;
  // Nothing here is a loop; a busy machine takes its time.
  const patient = { timeoutMs: 60_000 };
  beforeAll(async () => {
    sandbox = await PyodideSandbox.open();
  });
  afterAll(() => sandbox[Symbol.asyncDispose]());

  it("keep their word in Python, and wrong ones do not", async () => {
    for (const text of right.slice(0, 40))
      expect(await execute(sandbox, text, patient), text).toBe("verified");
    for (const text of wrong) expect(await execute(sandbox, text, patient), text).toBe("failed");
  });

  it("ask for what their own bodies do, in every composition that is held out", async () => {
    for (const { prompt, body, tests } of exercises) {
      const { status, error } = await sandbox.run(`${prompt}${body}\n\n${tests}\n`, patient);
      expect(status, `${prompt}${body}\n${error}`).toBe("passed");
    }
  });

  it("never show a composition that is held out, in words or in code, right or wrong", () => {
    expect(taught.length + heldOut.length).toBe(COMPOSITIONS.length);
    const texts = [...right, ...wrong].join("\n");
    for (const { docstring, body } of exercises) {
      expect(texts.includes(docstring)).toBe(false);
      expect(texts.includes(`${body}\n`)).toBe(false);
    }
  });

  it("teach every part that is asked for", () => {
    const texts = right.join("\n");
    for (const { composition } of exercises)
      for (const { name } of Object.values(composition)) expect(texts).toContain(name);
  });
});

it("damage changes a text and depends on nothing but the seed", () => {
  const text = Array.from({ length: 30 }, (_, i) => `line ${i} has words in it`).join("\n");
  for (let seed = 0; seed < 30; seed++) {
    expect(damage(text, new Random(seed))).toBe(damage(text, new Random(seed)));
    expect(damage(text, new Random(seed))).not.toBe(text);
  }
});

it("the decisive runs come first, and every run has a name of its own", () => {
  const runs = planRuns();
  expect(runs.slice(0, 2).map(({ name }) => name)).toEqual(["verified-small-1", "raw-large-1"]);
  expect(new Set(runs.map(({ name }) => name)).size).toBe(runs.length);
});

describe("intervals", () => {
  const constant = (value: number) => ({ total: [value, value, value], count: [1, 1, 1] });

  it("have no width where nothing varies", () => {
    expect(estimate([constant(2), constant(2)])).toEqual({ mean: 2, low: 2, high: 2 });
    expect(difference([constant(2)], [constant(5)])).toEqual({ mean: 3, low: 3, high: 3 });
  });

  it("hold the mean of all, and contain it", () => {
    fc.assert(
      fc.property(
        fc.array(fc.array(fc.integer({ min: 0, max: 9 }), { minLength: 4, maxLength: 4 }), {
          minLength: 1,
          maxLength: 3,
        }),
        (values) => {
          const runs = values.map((total) => ({ total, count: total.map(() => 2) }));
          const { mean, low, high } = estimate(runs);
          const all = values.flat();
          expect(mean).toBeCloseTo(all.reduce((sum, v) => sum + v, 0) / (2 * all.length), 10);
          expect(low).toBeLessThanOrEqual(mean + 1e-12);
          expect(high).toBeGreaterThanOrEqual(mean - 1e-12);
        },
      ),
      { numRuns: 20 },
    );
  });

  it("cover the truth about as often as they say", () => {
    const draws = new Random(5);
    let covered = 0;
    for (let trial = 0; trial < 100; trial++) {
      const total = Array.from({ length: 60 }, () => draws.normal({ mean: 1 }));
      const { low, high } = estimate([{ total, count: total.map(() => 1) }], trial);
      if (low <= 1 && 1 <= high) covered++;
    }
    // 95 expected; the chance of fewer than 88 is 0.2 %, and the seed is fixed.
    expect(covered).toBeGreaterThanOrEqual(88);
  });

  it("items of one group stand or fall together", () => {
    const sums = groupSums(
      ["a", "b", "a"],
      [
        { total: 1, count: 2 },
        { total: 3, count: 4 },
        { total: 5, count: 6 },
      ],
    );
    expect(sums).toEqual({ total: [6, 3], count: [8, 4] });
  });
});
