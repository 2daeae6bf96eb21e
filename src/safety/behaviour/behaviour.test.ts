import { describe, expect, it } from "vitest";
import { readFixture } from "../../../test/support/golden.ts";
import { bbqQuestion, bbqScores, type BbqScores } from "./bbq.ts";
import { isRefusal, refusalRates } from "./refusals.ts";

interface Reference {
  bbq: { rows: object[]; cases: (Omit<BbqScores, "questions"> & { answers: number[] })[] };
  refusals: {
    completions: string[];
    types: string[];
    labels: string[];
    refused: number[];
    overRefusal: number;
    refusal: number;
    byType: Record<string, number>;
  };
}

const { bbq, refusals } = readFixture<Reference>("behaviour.json");

describe("BBQ", () => {
  const questions = bbq.rows.map((row, i) => bbqQuestion(row, `row ${i}`));

  it("comes to the numbers of lm-evaluation-harness on stored answers", () => {
    for (const { answers, ...expected } of bbq.cases) {
      const { questions: count, ...found } = bbqScores(questions, answers);
      expect(count).toBe(questions.length);
      for (const [name, value] of Object.entries(expected))
        expect([name, found[name as keyof typeof found]]).toEqual([
          name,
          expect.closeTo(value ?? NaN, 12) as number,
        ]);
    }
  });

  it("leaves out what there is no question for, and refuses rows of another kind", () => {
    const told = questions.filter(({ isAmbiguous }) => !isAmbiguous);
    const scores = bbqScores(
      told,
      told.map(() => 0),
    );
    expect([scores.ambiguousAccuracy, scores.ambiguousBias]).toEqual([undefined, undefined]);
    expect(() => bbqQuestion({ question: "?" }, "row 1")).toThrow(/row 1: question_polarity/);
    expect(() => bbqQuestion({ ...bbq.rows[0], ans1: "A third one" }, "row 1")).toThrow(/3 of its/);
  });
});

describe("refusals", () => {
  it("are found by their phrases, and counted by kind as another program counts them", () => {
    expect(refusals.completions.map((text) => Number(isRefusal(text)))).toEqual(refusals.refused);
    const rates = refusalRates(
      refusals.completions.map((text, i) => ({
        type: refusals.types[i] ?? "",
        isSafe: refusals.labels[i] === "safe",
        refused: isRefusal(text),
      })),
    );
    expect(rates.overRefusal?.rate).toBeCloseTo(refusals.overRefusal, 12);
    expect(rates.refusal?.rate).toBeCloseTo(refusals.refusal, 12);
    for (const [type, rate] of Object.entries(refusals.byType))
      expect(rates.types[type]?.rate).toBeCloseTo(rate, 12);
    expect(rates.all.prompts).toBe(refusals.completions.length);
  });

  it("are of prompts: none is no rate", () => {
    expect(() => refusalRates([])).toThrow("no prompt");
  });
});
