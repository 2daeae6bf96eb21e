/** Every canonical solution of HumanEval and MBPP passes its tests in the sandbox; a mutilated one does not. */
import { readFileSync } from "node:fs";
import path from "node:path";
import { gunzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { PyodideSandbox } from "../../src/sandbox/index.ts";
import { BENCHMARKS, hasBenchmarks } from "../support/benchmarks.ts";

interface Problem {
  id: string;
  solution: string;
  /** What the solution stands between. */
  before: string;
  tests: string;
}

function humanEval(): Problem[] {
  const file = readFileSync(path.join(BENCHMARKS, "humaneval", "HumanEval.jsonl.gz"));
  return lines(gunzipSync(file).toString("utf8")).map((row) => ({
    id: String(row["task_id"]),
    before: String(row["prompt"]),
    solution: String(row["canonical_solution"]),
    tests: `${String(row["test"])}\ncheck(${String(row["entry_point"])})`,
  }));
}

function mbpp(): Problem[] {
  const text = readFileSync(path.join(BENCHMARKS, "mbpp", "mbpp.jsonl"), "utf8");
  return lines(text).map((row) => ({
    id: `MBPP/${String(row["task_id"])}`,
    before: "",
    solution: String(row["code"]),
    tests: [row["test_setup_code"], ...(row["test_list"] as string[])].join("\n"),
  }));
}

function lines(text: string): Record<string, unknown>[] {
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

describe.runIf(hasBenchmarks).each([
  ["HumanEval", humanEval, 164],
  ["MBPP", mbpp, 974],
])("%s", (_, read, count) => {
  it("has canonical solutions that all pass", async () => {
    const problems = read();
    expect(problems).toHaveLength(count);
    await using sandbox = await PyodideSandbox.open({ timeoutMs: 120_000 });
    const failed: string[] = [];
    for (const { id, before, solution, tests } of problems) {
      const { status, error } = await sandbox.run(`${before}${solution}\n${tests}`);
      if (status !== "passed") failed.push(`${id}: ${error}`);
    }
    expect(failed).toEqual([]);
  });

  it("fails without a solution", async () => {
    await using sandbox = await PyodideSandbox.open();
    for (const { before, tests } of read().slice(0, 30)) {
      const { status } = await sandbox.run(`${before}    pass\n${tests}`);
      expect(status).toBe("failed");
    }
  });
});
