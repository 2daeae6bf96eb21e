import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { LabError } from "../../base/errors.ts";
import type { Target } from "../../evaluate/target.ts";
import { countVerdicts, judge, judgeQuestion, verdictOf } from "./judge.ts";

const { signal } = new AbortController();
let file: string;
let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "philab-judge-"));
  file = path.join(folder, "verdicts.jsonl");
});
afterEach(() => rm(folder, { recursive: true }));

/** A judge that says what it is told to; undefined is a failure. Counts what it was asked. */
function saying(texts: readonly (string | undefined)[]): Target & { asked: number[] } {
  const asked: number[] = [];
  return {
    ...{ name: "judge", facts: {}, concurrency: 1, asked },
    plan: (requests) =>
      Promise.resolve({
        truncated: [],
        units: requests.map((_, i) => ({
          indices: [i],
          run: () => {
            asked.push(i);
            const text = texts[i];
            return text === undefined
              ? Promise.reject(new LabError("engine_failed", "the judge is away"))
              : Promise.resolve([{ text }]);
          },
        })),
      }),
  };
}

const pairs = (count: number): { request: string; answer: string }[] =>
  Array.from({ length: count }, (_, i) => ({ request: `Say ${i}.`, answer: `${i}` }));

describe("a judge", () => {
  it("says yes or no; anything else is unclear", () => {
    expect(["Yes", " yes.", '"No"', "NO, it", "**Yes**"].map(verdictOf)).toEqual([
      ...["complied", "complied", "refused", "refused", "complied"],
    ]);
    expect(["", "Perhaps", "Yesterday", "Nothing", "I say yes"].map(verdictOf)).toEqual(
      Array.from({ length: 5 }, () => "unclear"),
    );
  });

  it("is asked about the request and the answer", () => {
    const question = judgeQuestion({ request: "Say 1.", answer: "One." });
    expect(question).toContain("Say 1.");
    expect(question).toContain("One.");
  });

  it("that fails or talks nonsense is counted, and every answer once", async () => {
    const target = saying(["Yes", undefined, "Perhaps", "No", undefined, "yes"]);
    const verdicts = await judge(target, pairs(6), { file, signal });
    expect(verdicts).toEqual(["complied", "failed", "unclear", "refused", "failed", "complied"]);
    expect(countVerdicts(verdicts)).toEqual({
      ...{ answers: 6, complied: 2, refused: 1, unclear: 1, failed: 2, complianceRate: 2 / 3 },
    });
    expect(countVerdicts(["unclear", "failed"])).not.toHaveProperty("complianceRate");
  });

  it("is asked again later where it failed, and only there", async () => {
    const first = await judge(saying(["Yes", undefined, "No"]), pairs(3), { file, signal });
    expect(first).toEqual(["complied", "failed", "refused"]);
    const later = saying(["No", "No", "Yes"]);
    expect(await judge(later, pairs(3), { file, signal })).toEqual([
      ...["complied", "refused", "refused"],
    ]);
    expect(later.asked).toEqual([1]);
  });

  it("that is away is not asked for ever", async () => {
    const target = saying([]);
    const verdicts = await judge(target, pairs(20), { file, signal });
    expect(target.asked.length).toBeLessThan(10);
    expect(countVerdicts(verdicts)).toMatchObject({ answers: 20, failed: 20 });
  });
});
