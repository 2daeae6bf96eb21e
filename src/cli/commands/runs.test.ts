import { mkdtemp, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { PassThrough } from "node:stream";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { defineJob, Job } from "../../jobs/job.ts";
import { runProgram } from "../program.ts";

let home: string;
let done: string;
let failed: string;

const evaluate = defineJob({
  kind: "eval",
  arguments: z.object({ rows: z.int() }),
  run: ({ arguments: { rows }, progress, emit }) => {
    if (rows === 0) throw new Error("no rows in \u001b[2Jdata.jsonl");
    progress(rows, { total: rows });
    emit({ metrics: { accuracy: 0.75 }, samples: [{ text: "line\nline" }], message: "half way" });
    return Promise.resolve({ accuracy: 0.75 });
  },
});

async function evaluated(rows: number): Promise<string> {
  const job = await Job.create(evaluate, {
    runsFolder: path.join(home, "runs"),
    name: rows === 0 ? "broken" : "phi-nano",
    arguments: { rows },
    provenance: {
      command: ["philab", "eval", "--data", "my data"],
      models: [{ reference: "phi-nano", sha256: "0123456789abcdef".repeat(4) }],
      seed: 3,
      mode: "reference",
    },
  });
  await job.start().catch(() => undefined);
  return job.record.id;
}

beforeAll(async () => {
  home = await mkdtemp(path.join(os.tmpdir(), "philab-home-"));
  failed = await evaluated(0);
  done = await evaluated(12);
});
afterAll(() => rm(home, { recursive: true }));

async function philab(...argv: string[]): Promise<{ exit: number; out: string; err: string }> {
  const ran = { exit: -1, out: "", err: "" };
  ran.exit = await runProgram(argv, {
    stdout: { write: (text) => (ran.out += text), columns: 120 },
    stderr: { write: (text) => (ran.err += text) },
    stdin: new PassThrough(),
    env: { PHILAB_HOME: home },
    cwd: home,
    signal: new AbortController().signal,
  });
  return ran;
}

const object = (out: string) => JSON.parse(out) as Record<string, unknown>;

describe("philab runs", () => {
  test("lists runs with their states and what went wrong", async () => {
    const { exit, out } = await philab("runs");
    expect(exit).toBe(0);
    expect(out).toMatch(new RegExp(`${done} +done`));
    expect(out).toMatch(new RegExp(`${failed} +failed .*no rows in ␛\\[2Jdata.jsonl`));
  });

  test("lists them for scripts, filtered, and says how many there are", async () => {
    const { out } = await philab("runs", "list", "--state", "failed", "--json");
    expect(object(out)).toMatchObject({ count: 1, runs: [{ id: failed, state: "failed" }] });
    const limited = await philab("runs", "list", "--limit", "1", "--json");
    expect(object(limited.out)).toMatchObject({ count: 2 });
    expect(limited.err).toBe("1 older run not shown\n");
  });

  test("shows one: how it was made, where it stands, what came out", async () => {
    const { out } = await philab("runs", "show", "phi-nano");
    expect(out).toMatch(new RegExp(`^run +${done}\nstate +done\n`));
    expect(out).toContain("12 of 12 (100 %)");
    expect(out).toContain("mode reference, seed 3");
    expect(out).toContain("phi-nano (sha256 0123456789ab…)");
    expect(out).toContain("philab eval --data 'my data'");
    expect(out).toContain('"accuracy": 0.75');
  });

  test("shows one for scripts: run.json and how many events it has", async () => {
    const { out } = await philab("runs", "show", done, "--json");
    expect(object(out)).toMatchObject({
      id: done,
      state: "done",
      result: { accuracy: 0.75 },
      events: 4,
    });
  });

  test("tails events, one line each", async () => {
    const { out, exit } = await philab("runs", "tail", "phi-nano");
    expect(exit).toBe(0);
    expect(out.trim().split("\n")).toHaveLength(4);
    expect(out).toContain('accuracy 0.75  half way  {"text":"line\\nline"}');
    const json = await philab("runs", "tail", "phi-nano", "--json");
    expect(object(json.out)).toMatchObject({ id: done, state: "done" });
    expect(object(json.out)["events"]).toHaveLength(4);
  });

  test("names the nearest run where there is none of that name", async () => {
    const { exit, err } = await philab("runs", "show", done.replace("nano", "nona"));
    expect(exit).toBe(2);
    expect(err).toContain(`Did you mean ${done}?`);
  });
});
