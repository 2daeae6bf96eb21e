import { expect, test } from "vitest";
import { describeData } from "./describe.ts";
import type { DataReport } from "./load.ts";

const report: DataReport = {
  kind: "answers",
  files: ["a.jsonl"],
  ignoredFiles: [],
  examples: 1,
  sequences: 1,
  tokens: 40,
  learnedTokens: 10,
  longest: 40,
  overflow: { action: "error", examples: 0, dropped: 0, lostTokens: 0 },
  badRows: { count: 0, first: [] },
  joinedBorders: { count: 0 },
  limited: false,
};

test("data that was taken as it stands has no warnings", () => {
  expect(describeData(report)).toEqual({
    facts: [
      "1 example from 1 file",
      "40 tokens, 10 of them learned (25.0 %); the longest sequence has 40",
    ],
    warnings: [],
  });
});

test("everything that was cut, left out or odd is said with its first place", () => {
  const { facts, warnings } = describeData({
    ...report,
    files: ["a.jsonl", "b.jsonl"],
    ignoredFiles: ["d/x.png"],
    examples: 1000,
    sequences: 1010,
    overflow: {
      action: "cut",
      examples: 12,
      dropped: 2,
      lostTokens: 3456,
      longest: { file: "b.jsonl", line: 7, tokens: 4100 },
    },
    badRows: { count: 1, first: [{ file: "a.jsonl", line: 3, problem: "the answer is empty" }] },
    joinedBorders: { count: 5, first: { file: "a.jsonl", line: 9 } },
    limited: true,
  });
  expect(facts[0]).toBe("1,000 examples in 1,010 sequences from 2 files");
  expect(facts.at(-1)).toBe("the rest of the data was left unread, as asked (--limit)");
  expect(warnings).toEqual([
    "12 examples longer than the context: cut, 2 of them left out because nothing of the answer fitted; 3,456 learned tokens lost (the longest: 4,100 tokens, b.jsonl:7)",
    "1 row put aside, the first a.jsonl:3: the answer is empty",
    "in 5 examples the tokenizer would join the end of the prompt with the beginning of the answer (the first: a.jsonl:9); move the space or the half word to the answer",
    "1 file that is no data, such as d/x.png",
  ]);
});
