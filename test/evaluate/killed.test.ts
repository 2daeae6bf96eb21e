/** An evaluation that is killed without a warning, again and again, by processes of their own. */
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Random } from "../../src/base/random.ts";
import { build, start } from "../support/built.ts";
import { writeFunctionProblems } from "../support/function-problems.ts";

const root = mkdtempSync(path.join(tmpdir(), "philab-eval-kill-"));
const data = path.join(root, "data");
beforeAll(build, 240_000);
afterAll(() => {
  rmSync(root, { recursive: true });
});

const WHO = `
task: who
output_type: multiple_choice
data: who.jsonl
doc_to_text: "{{question}}"
doc_to_choice: names
doc_to_target: 0
num_fewshot: 1
`;

/** Names to choose from, and functions of which three are written each: both ways of asking, and the sandbox. */
const RUN = [
  ...["eval", "run", "--tasks", `${path.join(data, "who.yaml")},humaneval`, "--data", data],
  ...["--num-fewshot", "1", "--max-tokens", "40"],
  ...["--samples", "3", "--pass-at", "1,2", "--temperature", "0.9", "--seed", "7"],
];

beforeAll(() => {
  mkdirSync(data);
  const names = ["Mary", "John", "Anna", "Tom", "Lucy", "Ben"];
  const rows = names.map((one, i) => {
    const other = names[(i + 2) % names.length];
    const question = `When ${one} and ${other} went to the store, ${other} gave a book to`;
    return JSON.stringify({ question, names: [one, other] });
  });
  writeFileSync(path.join(data, "who.jsonl"), rows.join("\n"));
  writeFileSync(path.join(data, "who.yaml"), WHO);
  writeFunctionProblems(path.join(data, "humaneval"), 8);
});

function newHome(name: string): string {
  mkdirSync(path.join(root, name));
  return path.join(root, name);
}

function runFolder(home: string): string {
  const [id = ""] = readdirSync(path.join(home, "runs"));
  return path.join(home, "runs", id);
}

/** Lines of the log: its head, and one for each unit of work. */
function logged(home: string): number {
  const file = existsSync(path.join(home, "runs"))
    ? path.join(runFolder(home), "responses.jsonl")
    : "";
  return existsSync(file) ? readFileSync(file, "utf8").split("\n").length - 1 : 0;
}

/** What an evaluation leaves for people and programs. */
function written(home: string): Record<string, string> {
  const folder = runFolder(home);
  const names = readdirSync(folder).filter((name) => /^(results|samples_|report)/.test(name));
  return Object.fromEntries(
    names.sort().map((name) => [name, readFileSync(path.join(folder, name), "utf8")]),
  );
}

describe.skipIf(process.platform === "win32")("kill -9", () => {
  it("at five moments, each attempt taken up by runs resume, leaves the bytes of a run nobody disturbed", async () => {
    const [straight, killed] = [newHome("straight"), newHome("killed")];
    const whole = await start(RUN, { cwd: straight }).ended;
    expect(whole.code, whole.err).toBe(0);
    const units = logged(straight) - 1;
    expect(units).toBeGreaterThan(20);

    const random = new Random(3);
    let attempt = RUN;
    let finished = false;
    for (let kill = 0; kill < 5 && !finished; kill++) {
      // After some more answers; the last time when all are there and programs are being run.
      const more = kill === 4 ? units : 1 + random.integer(Math.floor(units / 6));
      const until = Math.min(units + 1, logged(killed) + more);
      const { child, ended } = start(attempt, { cwd: killed });
      while (logged(killed) < until && child.exitCode === null) await sleep(2);
      child.kill("SIGKILL");
      const { code, err } = await ended;
      finished = code !== null; // on a slow machine it may be faster than the look at its log
      if (finished) expect(code, err).toBe(0);
      attempt = ["runs", "resume"];
    }
    if (!finished) {
      const { code, err } = await start(attempt, { cwd: killed }).ended;
      expect(code, err).toBe(0);
    }
    expect(logged(killed)).toBe(units + 1); // nothing was asked twice
    expect(written(killed)).toEqual(written(straight));
    expect(Object.keys(written(killed))).toContain("samples_humaneval.jsonl");
  });
});
