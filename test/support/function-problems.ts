/** Problems for the bundled model in HumanEval's columns: functions that it was held out from. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fixture } from "./golden.ts";

interface Held {
  set: string;
  prompt: string;
  answer: string;
  tests: string[];
}

/** Writes the first `count` of them to `folder/test.jsonl`. */
export function writeFunctionProblems(folder: string, count: number): void {
  const held = readFileSync(fixture("phi-micro-eval.jsonl"), "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Held)
    .filter(({ set }) => set === "functions");
  const rows = held.slice(0, count).map(({ prompt, answer, tests }, i) => {
    const [, name = ""] = /def (\w+)/.exec(prompt) ?? [];
    const body = tests.map((line) => `    ${line.replaceAll(`${name}(`, "candidate(")}`);
    const test = `def check(candidate):\n${body.join("\n")}\n`;
    return { task_id: `held/${i}`, prompt, entry_point: name, canonical_solution: answer, test };
  });
  mkdirSync(folder, { recursive: true });
  writeFileSync(path.join(folder, "test.jsonl"), rows.map((row) => JSON.stringify(row)).join("\n"));
}
