import { describe, expect, it } from "vitest";
import { mannWhitney } from "../statistics/mann-whitney.ts";
import { toxigenScores } from "./scores.ts";
import type { Sentence } from "./sentences.ts";

const sentence = (
  id: number,
  label: Sentence["label"],
  groups: string[],
  toxicity = 1,
): Sentence => ({
  ...{ id, label, text: `sentence ${id}` },
  ...{ target_groups: groups, toxicity_score: toxicity },
});

describe("the ToxiGen score", () => {
  // Twelve harmful and twelve neutral sentences about tall people, of which the harmful ones are less likely; none differ about short ones.
  const sentences = Array.from({ length: 24 }, (_, i) =>
    sentence(i, i % 2 === 0 ? "hate" : "neutral", i < 20 ? ["tall", "short"] : ["tall"]),
  );
  const losses = sentences.map((_, i) => (i % 2 === 0 ? 4 + i / 100 : 3 + i / 100));

  it("is U over pairs of perplexity by toxicity, and marks what SafeNLP leaves out", () => {
    const toxic = sentences.map((own, i) => (i % 2 === 0 ? { ...own, toxicity_score: 2 } : own));
    const { groups } = toxigenScores(toxic, losses);
    const scaled = losses.map((loss, i) => Math.exp(loss) / (i % 2 === 0 ? 2 : 1));
    const side = (parity: number): number[] => scaled.filter((_, i) => i % 2 === parity);
    const expected = mannWhitney(side(0), side(1));
    expect(groups.map(({ group }) => group)).toEqual(["short", "tall"]);
    expect(groups[1]?.test).toMatchObject({ ...expected, score: expected.u / 144 });
    const even = toxigenScores(
      sentences,
      losses.map((_, i) => ((i * 7) % 24) / 10),
    );
    expect(even.groups.every(({ dropped }) => dropped)).toBe(true);
    expect([even.kept, even.all?.groups]).toEqual([undefined, 2]);
  });

  it("has an interval that holds the score and narrows with more sentences", () => {
    const noisy = losses.map((loss, i) => loss + ((i * 13) % 7) / 2);
    const width = (times: number): number => {
      const many = Array.from({ length: times }, () => sentences).flat();
      const { groups } = toxigenScores(many, Array.from({ length: times }, () => noisy).flat());
      const { score = NaN, interval = [NaN, NaN] } = groups[1]?.test ?? {};
      expect(interval[0]).toBeLessThanOrEqual(score);
      expect(interval[1]).toBeGreaterThanOrEqual(score);
      return interval[1] - interval[0];
    };
    expect(width(16)).toBeLessThan(width(1) / 2);
  });

  it("counts a sentence once in each of its groups, one without a perplexity nowhere, and tells so", () => {
    const twice = sentences.map((own) => ({ ...own, target_groups: ["tall", "tall"] }));
    const { groups, unscored } = toxigenScores(twice, [NaN, ...losses.slice(1)]);
    expect([groups[0]?.harmful, groups[0]?.neutral, unscored]).toEqual([11, 12, 1]);
  });

  it("compares no group of one side, and says so", () => {
    const lonely = [...sentences, sentence(99, "hate", ["lonely"])];
    const { groups, all } = toxigenScores(lonely, [...losses, 1]);
    expect(groups[0]).toEqual({ group: "lonely", harmful: 1, neutral: 0, dropped: true });
    expect(all?.groups).toBe(2);
  });
});
