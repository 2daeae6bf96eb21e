import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { loadFiles, phi2TokenizerJson } from "../../../test/support/tokenizers.ts";
import { LabError } from "../../base/errors.ts";
import type { LanguageModel } from "../../generate/language-model.ts";
import { open } from "../../open.ts";
import type { Tokenizer } from "../../tokenizer/index.ts";
import { createTask, TASK_NAMES } from "./index.ts";
import { alignPrompts, nextToken } from "./task.ts";

let micro: LanguageModel;
let phi2: { tokenizer: Tokenizer; hasTokenizer: true; config: LanguageModel["config"] };

beforeAll(async () => {
  micro = await open("phi-micro", { threads: 1 });
  const tokenizer = await loadFiles({
    "tokenizer.json": JSON.parse(phi2TokenizerJson()) as unknown,
  });
  phi2 = { tokenizer, hasTokenizer: true, config: micro.config };
});
afterAll(async () => {
  await micro[Symbol.asyncDispose]();
});

/** What a call that must not succeed throws. */
function refusal(call: () => unknown): LabError {
  try {
    call();
  } catch (error) {
    if (error instanceof LabError) return error;
    throw error;
  }
  throw new Error("nothing was refused");
}

describe("a task", () => {
  test.each(TASK_NAMES)(
    "%s has aligned pairs of one-token answers with Phi-2's tokenizer",
    (name) => {
      const { pairs } = createTask(phi2, name, { count: 40, seed: 3 });
      expect(pairs).toHaveLength(40);
      for (const { clean, corrupted, right, wrong, positions } of pairs) {
        expect(corrupted).toHaveLength(clean.length);
        expect(corrupted).not.toEqual(clean);
        expect(right.length * wrong.length).toBeGreaterThan(0);
        expect(right.filter((id) => wrong.includes(id))).toEqual([]);
        for (const at of Object.values(positions)) expect(clean[at]).toBeDefined();
        expect(positions["end"]).toBe(clean.length - 1);
      }
    },
  );

  test("is the same for the same seed, and another for another", () => {
    const draw = (seed: number): string => createTask(micro, "ioi", { count: 20, seed }).hash;
    expect(draw(1)).toBe(draw(1));
    expect(draw(1)).not.toBe(draw(2));
  });

  test("can have pairs of one length, whose positions compare", () => {
    const lengths = (sameLength: boolean): Set<number> => {
      const { pairs } = createTask(micro, "ioi", { count: 12, seed: 0, sameLength });
      return new Set(pairs.map(({ clean }) => clean.length));
    };
    expect(lengths(false).size).toBeGreaterThan(1);
    expect(lengths(true).size).toBe(1);
  });

  test("has pairs that differ from each other", () => {
    const { pairs } = createTask(micro, "ioi", { count: 50, seed: 0 });
    expect(new Set(pairs.map(({ clean }) => clean.join())).size).toBeGreaterThan(45);
  });

  test("says what there is when its name is unknown", () => {
    expect(refusal(() => createTask(micro, "iio"))).toMatchObject({
      code: "not_found",
      hint: "Did you mean ioi?",
    });
  });

  test("that this tokenizer cuts apart is refused with the tokens", () => {
    // phi-micro has no token " she".
    const refused = refusal(() => createTask(micro, "pronouns"));
    expect(refused.code).toBe("unsupported");
    expect(refused.message).toContain(" s|he");
  });
});

describe("indirect object identification", () => {
  test("marks the names where they stand, and lets the other name give in its counterpart", () => {
    const { tokenizer } = micro;
    for (const { clean, corrupted, right, wrong, positions } of createTask(micro, "ioi-classic")
      .pairs) {
      const at = (mark: string): number => clean[positions[mark] as number] as number;
      expect([at("io")]).toEqual(right);
      expect([at("s1"), at("s2")]).toEqual([...wrong, ...wrong]);
      expect(corrupted[positions["s2"] as number]).toBe(right[0]);
      expect(tokenizer.decode(clean)).toMatch(
        /When \w+ and \w+ went to the \w+, \w+ gave a \w+ to$/,
      );
    }
  });
});

describe("greater-than", () => {
  test("has every later year of the century right, and every other wrong", () => {
    const { tokenizer } = phi2;
    for (const { clean, right, wrong, positions } of createTask(phi2, "greater-than").pairs) {
      const value = (id: number): number => Number(tokenizer.decode([id]));
      const year = value(clean[positions["year"] as number] as number);
      expect(right.every((id) => value(id) > year)).toBe(true);
      expect(wrong.every((id) => value(id) <= year)).toBe(true);
      expect(right.length + wrong.length).toBe(98);
    }
  });
});

describe("induction", () => {
  test("repeats its beginning, and its counterpart does not", () => {
    for (const { clean, corrupted, right, positions } of createTask(micro, "induction").pairs) {
      const copied = positions["copied"] as number;
      expect(clean[positions["previous"] as number]).toBe(clean.at(-1));
      expect(clean[copied]).toBe(right[0]);
      expect(corrupted.slice(0, copied + 1)).not.toContain(corrupted.at(-1));
    }
  });
});

describe("prompts", () => {
  test("of unequally many tokens are refused, with both cut into tokens", () => {
    const refused = refusal(() =>
      alignPrompts(micro.tokenizer, "When Mary and John", "When Mary and Johannes"),
    );
    expect(refused.code).toBe("bad_input");
    expect(refused.message).toContain("When| Mary| and| John and");
  });

  test("take answers of one token only", () => {
    expect(nextToken(micro.tokenizer, "gave it to", " Mary")).toBe(
      micro.tokenizer.encode(" Mary")[0],
    );
    expect(() => nextToken(micro.tokenizer, "gave it to", " Johannes")).toThrow(/not one token/);
    expect(() => nextToken(micro.tokenizer, "gave it t", "o")).toThrow(/not one token/);
  });
});
