import { describe, expect, it } from "vitest";
import { TASKS } from "./groups.ts";
import { sampled, seedOf } from "./sampled.ts";
import type { ScoringTools } from "./task.ts";

const humaneval = TASKS.find(({ name }) => name === "humaneval")!;
const ROW = { prompt: "def f():\n", entry_point: "f", test: "def check(f):\n    pass" };

/** A sandbox in which programs that say "right" pass. */
const tools: ScoringTools = {
  signal: new AbortController().signal,
  sandbox: () =>
    Promise.resolve({
      interpreter: "none",
      layers: [],
      run: (program) =>
        Promise.resolve({
          status: program.includes("right") ? "passed" : "failed",
          output: "",
          elapsedMs: 0,
        }),
      [Symbol.asyncDispose]: () => Promise.resolve(),
    }),
};

describe("several samples of a program", () => {
  const task = sampled(humaneval, { samples: 5, passAt: [3, 5], temperature: 1, topP: 1, seed: 0 });

  it("give pass@k as the paper's estimator does: 1 − C(n − c, k) / C(n, k)", async () => {
    const answers = ["right", "wrong", "right", "wrong", "wrong"].map((text) => ({ text }));
    const scores = await task.item(ROW).score(answers, tools);
    expect(scores["pass@1,create_test"]).toBeCloseTo(2 / 5, 12);
    expect(scores["pass@3,create_test"]).toBeCloseTo(1 - 1 / 10, 12); // C(3, 3) / C(5, 3)
    expect(scores["pass@5,create_test"]).toBe(1);
    expect(task.metrics.map(({ key }) => key)).toEqual(
      [1, 3, 5].map((k) => `pass@${k},create_test`),
    );
  });

  it("are asked for one by one, each with a seed of its own that the question decides", () => {
    const requests = task.item(ROW).requests("");
    const seeds = requests.map((request) =>
      request.type === "generate_until" && request.sampling !== undefined
        ? seedOf(request.sampling, request.context)
        : NaN,
    );
    expect(new Set(seeds).size).toBe(5);
    const [again] = task.item(ROW).requests("");
    expect(again).toEqual(requests[0]);
    expect(task.item({ ...ROW, prompt: "def g():\n" }).requests("")[0]).not.toEqual(requests[0]);
  });
});
