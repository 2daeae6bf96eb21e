import { spawn } from "node:child_process";
import { appendFile, mkdtemp, readFile, readdir, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { z } from "zod";
import { LabError } from "../base/errors.ts";
import { beginAttempt, lastAttempt } from "./attempts.ts";
import { defineJob, Job, type JobContext } from "./job.ts";
import { thisProcess } from "./process-identity.ts";
import type { RunEvent } from "./record.ts";
import { findRun, listRuns, readRun, runEvents } from "./runs.ts";

let runsFolder: string;
beforeEach(async () => {
  runsFolder = await mkdtemp(path.join(os.tmpdir(), "philab-runs-"));
});
afterEach(() => rm(runsFolder, { recursive: true }));

const argumentsSchema = z.strictObject({ steps: z.int().min(1), fail: z.string().optional() });
type Arguments = z.output<typeof argumentsSchema>;

/** Adds 1 at each step and keeps the sum in the folder, so that it can be resumed. */
function counting(
  atStep: (step: number, context: JobContext<Arguments>) => Promise<void> | void = () => undefined,
) {
  return defineJob({
    kind: "count",
    arguments: argumentsSchema,
    async run(context) {
      const file = path.join(context.folder, "sum.txt");
      let sum = context.attempt === 1 ? 0 : Number(await readFile(file, "utf8"));
      while (sum < context.arguments.steps) {
        context.signal.throwIfAborted();
        await atStep(sum, context);
        await writeFile(file, String(++sum));
        context.progress(sum, { total: context.arguments.steps });
      }
      return { sum };
    },
  });
}

const create = (definition: ReturnType<typeof counting>, steps = 3, name = "phi-nano") =>
  Job.create(definition, {
    runsFolder,
    name,
    arguments: { steps },
    provenance: {
      command: ["philab", "count"],
      models: [{ reference: "phi-nano" }],
      mode: "fast",
      seed: 1,
      threads: 2,
      engine: "0.25.1",
    },
  });

async function collect(events: AsyncIterable<RunEvent>): Promise<RunEvent[]> {
  const all: RunEvent[] = [];
  for await (const event of events) all.push(event);
  return all;
}

describe("a job", () => {
  test("begins as a folder that says what was asked and by what", async () => {
    const job = await create(counting(), 3, "microsoft/Phi 2");
    expect(path.basename(job.folder)).toMatch(/^\d{8}-\d{6}-count-microsoft-phi-2$/);
    const { record } = await readRun(job.folder);
    expect(record).toMatchObject({
      schema: 1,
      id: path.basename(job.folder),
      kind: "count",
      name: "microsoft/Phi 2",
      arguments: { steps: 3 },
      command: ["philab", "count"],
      models: [{ reference: "phi-nano" }],
      data: [],
      mode: "fast",
      seed: 1,
      threads: 2,
      versions: { engine: "0.25.1", node: process.versions.node },
      state: "queued",
    });
    expect(record.startedAt).toBeUndefined();
  });

  test("refuses arguments that its schema refuses, and leaves no folder", async () => {
    await expect(create(counting(), 0)).rejects.toMatchObject({ code: "bad_input" });
    expect(await readdir(runsFolder)).toEqual([]);
  });

  test("gives its result, to its caller and in run.json", async () => {
    const job = await create(counting());
    expect(await job.start()).toEqual({ sum: 3 });
    const { record } = await readRun(job.folder);
    expect(record).toMatchObject({ state: "done", result: { sum: 3 } });
    expect(Date.parse(record.endedAt ?? "")).toBeGreaterThanOrEqual(Date.parse(record.createdAt));
  });

  test("can be watched while it runs: all events of the attempt, the end included", async () => {
    const job = await create(
      counting((step, { emit }) => emit({ metrics: { loss: step === 1 ? NaN : 1 / (step + 1) } })),
    );
    const [early, result] = await Promise.all([collect(job), job.start()]);
    expect(result).toEqual({ sum: 3 });
    expect(early[0]).toMatchObject({ state: "running", attempt: 1 });
    expect(early.at(-1)).toMatchObject({ state: "done", step: 3, total: 3 });
    const losses = early.flatMap(({ metrics }) => metrics?.["loss"] ?? []);
    expect(losses).toEqual([1, NaN, 1 / 3]);
    expect(await collect(job)).toEqual(early);
    expect(await collect(runEvents(job.folder))).toEqual(early);
  });

  test("writes progress a few times a second at most, and drops no message, metric or sample", async () => {
    const job = await create(
      counting((step, { progress, emit }) => {
        for (let i = 0; i < 1000; i++) progress(step + i / 1000);
        progress(step, { message: `at ${step}` });
        emit({ samples: [{ text: `sample ${step}` }] });
      }),
    );
    await job.start();
    const events = await collect(job);
    expect(events.length).toBeLessThan(12);
    expect(events.filter(({ samples }) => samples)).toHaveLength(3);
  });

  test("that fails says so in run.json and to its caller", async () => {
    const job = await create(
      counting(() => {
        throw new LabError("corrupt_file", "row 7 is cut off", { hint: "Fetch it again." });
      }),
    );
    await expect(job.start()).rejects.toThrow("row 7 is cut off");
    expect((await readRun(job.folder)).record).toMatchObject({
      state: "failed",
      error: { code: "corrupt_file", message: "row 7 is cut off", hint: "Fetch it again." },
    });
  });

  test("fills in what is known later", async () => {
    const job = await create(
      counting((_, { describe: fill }) =>
        fill({ models: [{ reference: "phi-nano", sha256: "a".repeat(64) }], engine: "0.26" }),
      ),
    );
    await job.start();
    expect((await readRun(job.folder)).record).toMatchObject({
      models: [{ sha256: "a".repeat(64) }],
      versions: { engine: "0.26" },
      state: "done",
    });
  });
});

describe("stopping and resuming", () => {
  test.each(["its own cancel", "a signal from outside"])("%s ends it as cancelled", async (how) => {
    const controller = new AbortController();
    const job: Job<{ sum: number }> = await create(
      counting((step) => {
        if (step !== 1) return;
        if (how === "its own cancel") job.cancel();
        else controller.abort(new LabError("interrupted", "interrupted"));
      }),
    );
    await expect(job.start({ signal: controller.signal })).rejects.toMatchObject({
      code: "interrupted",
    });
    expect((await readRun(job.folder)).record).toMatchObject({
      state: "cancelled",
      error: { code: "interrupted" },
    });
  });

  test("a resumed run goes on where it was and keeps its earlier events", async () => {
    let broken = true;
    const definition = counting((step) => {
      if (step === 2 && broken) throw new Error("power cut");
    });
    const first = await create(definition, 4);
    await expect(first.start()).rejects.toThrow("power cut");
    broken = false;
    const second = await Job.resume(definition, first.folder);
    expect(await second.start()).toEqual({ sum: 4 });
    const { record } = await readRun(first.folder);
    expect(record).toMatchObject({ state: "done", result: { sum: 4 } });
    expect(record.error).toBeUndefined();
    const events = await collect(runEvents(first.folder));
    expect(new Set(events.map(({ attempt }) => attempt))).toEqual(new Set([1, 2]));
    expect((await collect(second)).every(({ attempt }) => attempt === 2)).toBe(true);
  });

  test("a run that is done is not done again", async () => {
    const definition = counting();
    const job = await create(definition);
    await job.start();
    const again = await Job.resume(definition, job.folder);
    await expect(again.start()).rejects.toThrow("is done");
    expect((await readRun(job.folder)).record.state).toBe("done");
    expect(await collect(again)).toEqual([]);
  });

  test("a run of another kind is refused", async () => {
    const job = await create(counting());
    const other = defineJob({ ...counting(), kind: "other" });
    await expect(Job.resume(other, job.folder)).rejects.toThrow("is a count run, not other");
  });

  test("only one may work on a run", async () => {
    const definition = counting(() => new Promise((resolve) => setTimeout(resolve, 30)));
    const job = await create(definition);
    const rivals = await Promise.all([1, 2, 3, 4].map(() => Job.resume(definition, job.folder)));
    const outcomes = await Promise.allSettled(rivals.map((rival) => rival.start()));
    expect(outcomes.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
    for (const outcome of outcomes)
      if (outcome.status === "rejected") expect(outcome.reason).toMatchObject({ code: "busy" });
  });

  test("an event that a crash left half-written is cut off on resume", async () => {
    let broken = true;
    const definition = counting((step) => {
      if (step === 1 && broken) throw new Error("x");
    });
    const job = await create(definition);
    await expect(job.start()).rejects.toThrow("x");
    broken = false;
    await appendFile(path.join(job.folder, "events.jsonl"), '{"at":"2025-01-01T00:0');
    await (await Job.resume(definition, job.folder)).start();
    const lines = (await readFile(path.join(job.folder, "events.jsonl"), "utf8"))
      .trim()
      .split("\n");
    expect(lines.map((line) => (JSON.parse(line) as RunEvent).state).filter(Boolean)).toEqual([
      "running",
      "failed",
      "running",
      "done",
    ]);
  });
});

describe("a run whose process died", () => {
  /** A process that takes the run up and is killed while it works. */
  async function killedRun(): Promise<string> {
    const job = await create(counting());
    const attempt = await beginAttempt(job.folder);
    const child = spawn("sleep", ["60"]);
    const stat = await readFile(`/proc/${child.pid}/stat`, "utf8").catch(() => undefined);
    const started = stat?.slice(stat.lastIndexOf(")") + 2).split(" ")[19];
    const file = path.join(job.folder, "attempts", `${attempt.number}.json`);
    const mine = JSON.parse(await readFile(file, "utf8")) as object;
    await writeFile(
      file,
      JSON.stringify({ ...mine, pid: child.pid, ...(started ? { started } : {}) }),
    );
    await writeFile(
      path.join(job.folder, "run.json"),
      JSON.stringify({ ...job.record, state: "running", startedAt: job.record.createdAt }),
    );
    expect((await readRun(job.folder)).record.state).toBe("running");
    await expect(beginAttempt(job.folder)).rejects.toMatchObject({ code: "busy" });
    child.kill("SIGKILL");
    await new Promise((resolve) => child.once("exit", resolve));
    return job.folder;
  }

  test.skipIf(process.platform === "win32")("counts as failed and can be resumed", async () => {
    const folder = await killedRun();
    const { record } = await readRun(folder);
    expect(record.state).toBe("failed");
    expect(record.error?.message).toMatch(/^process \d+ ended before the run did$/);
    await writeFile(path.join(folder, "sum.txt"), "2");
    expect(await (await Job.resume(counting(), folder)).start()).toEqual({ sum: 3 });
  });

  test("is recognised although its number belongs to another process by now", async () => {
    const job = await create(counting());
    await beginAttempt(job.folder);
    const file = path.join(job.folder, "attempts", "1.json");
    const identity = thisProcess();
    expect(await lastAttempt(job.folder)).toMatchObject({ at: "working", pid: process.pid });
    const started = new Date().toISOString();
    await writeFile(file, JSON.stringify({ ...identity, started: "1", startedAt: started }));
    expect((await lastAttempt(job.folder)).at).toBe("lost");
    await writeFile(file, JSON.stringify({ ...identity, boot: "another", startedAt: started }));
    expect((await lastAttempt(job.folder)).at).toBe("lost");
  });

  test("on another machine cannot be told from one that lives", async () => {
    const job = await create(counting());
    await beginAttempt(job.folder);
    const file = path.join(job.folder, "attempts", "1.json");
    const identity = { ...thisProcess(), host: "elsewhere", pid: 1 };
    await writeFile(file, JSON.stringify({ ...identity, startedAt: new Date().toISOString() }));
    await expect(beginAttempt(job.folder)).rejects.toMatchObject({
      code: "busy",
      message: `process 1 on elsewhere is working on ${path.basename(job.folder)}`,
      hint: expect.stringContaining("remove") as string,
    });
  });
});

describe("runs on disk", () => {
  test("are listed newest first, those that cannot be read by name", async () => {
    const first = await create(counting(), 1, "a");
    const second = await create(counting(), 1, "b");
    await writeFile(path.join(first.folder, "run.json"), "{");
    const { runs, unreadable } = await listRuns(runsFolder);
    expect(runs.map(({ record }) => record.id)).toEqual([path.basename(second.folder)]);
    expect(unreadable).toMatchObject([{ folder: first.folder, error: { code: "corrupt_file" } }]);
  });

  test("of a folder that is not there are none", async () => {
    expect((await listRuns(path.join(runsFolder, "nowhere"))).runs).toEqual([]);
  });

  test("of one second get different folders", async () => {
    const jobs = await Promise.all([1, 2, 3].map(() => create(counting())));
    expect(new Set(jobs.map(({ folder }) => folder)).size).toBe(3);
  });

  test("are found by id, by a part of it, or as the newest", async () => {
    await create(counting(), 1, "alpha");
    const beta = await create(counting(), 1, "beta");
    const id = path.basename(beta.folder);
    expect((await findRun(runsFolder, id)).record.id).toBe(id);
    expect((await findRun(runsFolder, "beta")).record.id).toBe(id);
    expect((await findRun(runsFolder)).record.id).toBe(id);
    await expect(findRun(runsFolder, "count")).rejects.toMatchObject({ code: "bad_input" });
    await expect(findRun(runsFolder, "../x")).rejects.toMatchObject({ code: "not_found" });
  });

  test("keep what a later version wrote into run.json", async () => {
    const job = await create(counting(), 1);
    const file = path.join(job.folder, "run.json");
    await writeFile(file, JSON.stringify({ ...job.record, carbon: 3 }));
    await (await Job.resume(counting(), job.folder)).start();
    expect((await readRun(job.folder)).record["carbon"]).toBe(3);
  });

  test("are followed from another process as they go", async () => {
    let go: () => void = () => undefined;
    const started = new Promise<void>((resolve) => (go = resolve));
    const job = await create(counting(() => started));
    const following = collect(runEvents(job.folder, { follow: true, intervalMs: 5 }));
    const result = job.start();
    setTimeout(go, 30);
    await result;
    expect((await following).map(({ state }) => state).filter(Boolean)).toEqual([
      "running",
      "done",
    ]);
  });

  test("with a line that is no event are corrupt, not shortened", async () => {
    const job = await create(counting());
    await writeFile(path.join(job.folder, "events.jsonl"), "nonsense\n");
    await expect(collect(runEvents(job.folder))).rejects.toMatchObject({ code: "corrupt_file" });
  });
});
