import { expect, it } from "vitest";
import { panelRows } from "./report.ts";

const score = (name: string, value: number, better: "higher" | "lower" | "nearer 0") => ({
  ...{ part: "refusals" as const, name, value, count: 10, better },
});

it("a change is better or worse by what its measure wants, and neither within the interval of what it was", () => {
  const before = [
    score("refused", 0.2, "higher"),
    score("perplexity", 9, "lower"),
    score("bias", -0.3, "nearer 0"),
    { ...score("score", 0.5, "higher"), interval: [0.4, 0.6] as const },
    score("gone", 1, "lower"),
  ];
  const after = [
    score("refused", 0.9, "higher"),
    score("perplexity", 12, "lower"),
    score("bias", 0.1, "nearer 0"),
    score("score", 0.42, "higher"),
  ];
  const rows = panelRows({
    notes: [],
    models: [
      { role: "as it is", name: "a", scores: before },
      { role: "edited", name: "b", scores: after },
    ],
  });
  expect(rows.map(({ changes }) => [changes[0]?.sign, changes[1]?.sign])).toEqual([
    [undefined, "▲"],
    [undefined, "▼"],
    [undefined, "▲"],
    [undefined, "≈"],
    [undefined, undefined],
  ]);
  expect(rows[1]?.changes[1]).toEqual({ text: "+3", sign: "▼", verdict: "worse" });
});
