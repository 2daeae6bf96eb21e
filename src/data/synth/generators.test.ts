import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Random } from "../../base/random.ts";
import { drawEquations, drawSum } from "./arithmetic.ts";
import { drawFact } from "./facts.ts";
import { drawAgreement, drawGiving, NAMES } from "./people.ts";
import { choose, fill } from "./phrases.ts";
import { drawLookUps, drawParameters, drawRepeats } from "./repeats.ts";
import { drawStory } from "./stories.ts";

const anySeed = fc.nat(1 << 30);

/** Calls back with what each of many seeds draws. */
function forAll<T>(draw: (random: Random) => T, check: (drawn: T) => void): void {
  fc.assert(
    fc.property(anySeed, (seed) => {
      check(draw(new Random(seed)));
    }),
    { numRuns: 300 },
  );
}

describe("phrases", () => {
  test("a choice is one of its phrases, also inside another choice", () => {
    const found = new Set(
      Array.from({ length: 100 }, (_, seed) => choose("a <b <c|d>|e>.", new Random(seed))),
    );
    expect([...found].sort()).toEqual(["a b c.", "a b d.", "a e."]);
  });

  test("an empty phrase leaves no double space", () => {
    for (let seed = 0; seed < 20; seed++)
      expect(choose("one <|two> three", new Random(seed))).not.toContain("  ");
  });

  test("names are filled in where they stand whole", () => {
    expect(fill("$x is $xs at $k-th", { x: "A", xs: "B", k: "3" })).toBe("A is B at 3-th");
  });
});

describe("arithmetic", () => {
  test("answers of sums, differences, products and comparisons are right", () => {
    const rules: [RegExp, (a: number, b: number) => number][] = [
      [/^(?:What is|Compute|Calculate|How much is) (\d+) (?:\+|plus) (\d+)[?.]$/, (a, b) => a + b],
      [/^(?:Please add|Add) (\d+) and (\d+)\.$/, (a, b) => a + b],
      [/^What is the sum of (\d+) and (\d+)\?$/, (a, b) => a + b],
      [/^What is (\d+) (?:-|minus) (\d+)\?$/, (a, b) => a - b],
      [/^What is (\d+) (?:\*|times) (\d+)\?$/, (a, b) => a * b],
      [/^Which is larger, (\d+) or (\d+)\?$/, Math.max],
      [/^Which is smaller, (\d+) or (\d+)\?$/, Math.min],
      [/has (\d+) \w+ and gets (\d+) more/, (a, b) => a + b],
      [/has (\d+) \w+ and gives away (\d+)/, (a, b) => a - b],
    ];
    let checked = 0;
    forAll(drawSum, ({ question, answer }) => {
      const rule = rules.find(([pattern]) => pattern.test(question));
      if (rule === undefined) return;
      const [, a = "", b = ""] = rule[0].exec(question)!;
      expect(/\d+/.exec(answer)?.[0]).toBe(String(rule[1](Number(a), Number(b))));
      checked++;
    });
    expect(checked).toBeGreaterThan(200);
  });

  test("equations hold", () => {
    forAll(drawEquations, (text) => {
      for (const line of text.split("\n")) {
        const [, a, sign, b, c] = /^(\d+) ([+-]) (\d+) = (\d+)$/.exec(line)!;
        expect(Number(a) + (sign === "+" ? 1 : -1) * Number(b)).toBe(Number(c));
      }
    });
  });
});

describe("people", () => {
  test("who gives and who gets are the two who were named", () => {
    forAll(drawGiving, (text) => {
      const [a, b, giver, getter] = text.match(new RegExp(NAMES.join("|"), "g"))!;
      expect([giver, getter].sort()).toEqual([a, b].sort());
    });
  });

  test("a verb agrees with its subject, not with the noun in between", () => {
    forAll(drawAgreement, (text) => {
      const [, subject, verb] = /^The (\w+)\b.* (is|are) /.exec(text) ?? [];
      if (verb !== undefined) expect(verb === "are").toBe(subject!.endsWith("s"));
      const [from, to] = (text.match(/\d{4}/g) ?? []).map(Number);
      if (to !== undefined) expect(to).toBeGreaterThan(from!);
    });
  });
});

describe("repetitions", () => {
  test("what is said is said again, in the same order", () => {
    forAll(drawRepeats, (text) => {
      expect(text).toMatch(/^([^]+?)(?:(?:, | |\n)\1)+$/);
    });
  });

  test("what is looked up is what the table says", () => {
    forAll(drawLookUps, (text) => {
      const [table = "", asked = ""] = text.split("\n\n");
      for (const line of asked.split("\n")) expect(table.split("\n")).toContain(line);
    });
  });

  test("parameters are described in the order of the definition", () => {
    forAll(drawParameters, (text) => {
      const given = /\(self, (.*)\)/.exec(text)![1]!.split(", ");
      expect([...text.matchAll(/:param (\w+):/g)].map(([, name]) => name)).toEqual(given);
    });
  });
});

test("facts and stories have no gaps left in them", () => {
  forAll(drawFact, ({ question, answer }) => {
    expect(`${question}${answer}`).not.toMatch(/undefined|[$<>|@]/);
  });
  forAll(drawStory, (text) => {
    expect(text).not.toMatch(/undefined|[$<>|@]| a [aeiou]/);
  });
});
