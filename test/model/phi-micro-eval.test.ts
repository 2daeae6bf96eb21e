/**
 * The table of models/phi-micro/README.md, which was measured with transformers: greedy answers to three sets of tasks.
 * Functions count where the prompt and the first line of the answer pass their tests in Python.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { open, type LanguageModel, type Mode } from "philab";
import { fixture } from "../support/golden.ts";

interface Task {
  set: "functions" | "names" | "addition";
  prompt: string;
  answer: string;
  /** Python assertions, of functions. */
  tests?: string[];
}

const tasks = readFileSync(fixture("phi-micro-eval.jsonl"), "utf8")
  .trim()
  .split("\n")
  .map((line) => JSON.parse(line) as Task);
const ofSet = (name: Task["set"]): Task[] => tasks.filter(({ set }) => set === name);
const hasPython = spawnSync("python3", ["--version"]).status === 0;

/** The greedy continuation of every task, all in one batch, until each is `enough` or of `maxTokens`. */
async function answers(
  model: LanguageModel,
  asked: readonly Task[],
  { maxTokens, enough }: { maxTokens: number; enough: (text: string) => boolean },
): Promise<string[]> {
  const texts = asked.map(() => "");
  const open = new Set(texts.keys());
  const prompts = asked.map(({ prompt }) => prompt);
  const options = { temperature: 0, maxTokens };
  for await (const { index, text, finishReason } of model.generateBatch(prompts, options)) {
    texts[index] += text;
    if (enough(texts[index] ?? "") || finishReason !== undefined) open.delete(index);
    if (open.size === 0) break;
  }
  return texts;
}

/** A word and what comes after it. */
const hasWord = (text: string): boolean => /\w\W/.test(text);
const hasLine = (text: string): boolean => text.slice(1).includes("\n");

/** How many begin with the right answer, and do not go on with another letter or digit. */
function countCorrect(asked: readonly Task[], found: readonly string[]): number {
  return asked.filter(({ answer }, i) => {
    const text = found[i] ?? "";
    return text.startsWith(answer) && !/^\w/.test(text.slice(answer.length));
  }).length;
}

/** Runs each program in a namespace of its own, in an empty folder. */
const RUN_PROGRAMS = `
import json, sys
passed = []
for program in json.load(sys.stdin):
    try:
        exec(program, {"__name__": "task"})
        passed.append(True)
    except BaseException:
        passed.append(False)
print(json.dumps(passed))
`;

function countPassing(asked: readonly Task[], found: readonly string[]): number {
  const programs = asked.map(({ prompt, tests = [] }, i) => {
    const [, firstLine = ""] = (found[i] ?? "").split("\n");
    return [prompt, firstLine, ...tests, ""].join("\n");
  });
  const cwd = mkdtempSync(path.join(tmpdir(), "philab-functions-"));
  try {
    const { stdout } = spawnSync("python3", ["-I", "-c", RUN_PROGRAMS], {
      cwd,
      input: JSON.stringify(programs),
      encoding: "utf8",
      timeout: 10_000,
    });
    return (JSON.parse(stdout) as boolean[]).filter(Boolean).length;
  } finally {
    rmSync(cwd, { recursive: true });
  }
}

describe.each<Mode>(["fast", "reference"])(
  "the bundled model in %s mode",
  { timeout: 120_000 },
  (mode) => {
    let model: LanguageModel;
    beforeAll(async () => {
      model = await open("phi-micro", { mode, threads: 1 });
    });
    afterAll(() => model[Symbol.asyncDispose]());

    it("names the one who receives in 60 of 60 sentences", async () => {
      const names = ofSet("names");
      expect(
        countCorrect(names, await answers(model, names, { maxTokens: 6, enough: hasWord })),
      ).toBe(60);
      expect(names).toHaveLength(60);
    });

    it("adds 23 of 49 pairs of numbers", async () => {
      const sums = ofSet("addition");
      expect(
        countCorrect(sums, await answers(model, sums, { maxTokens: 6, enough: hasWord })),
      ).toBe(23);
      expect(sums).toHaveLength(49);
    });

    it("writes 79 of 80 functions that pass their tests", async () => {
      const functions = ofSet("functions");
      expect(functions).toHaveLength(80);
      const found = await answers(model, functions, { maxTokens: 64, enough: hasLine });
      if (!hasPython) {
        console.log("left out: running the functions, since there is no python3 here");
        return;
      }
      expect(countPassing(functions, found)).toBe(79);
    });
  },
);
