/**
 * Runs that the server was asked for: one at a time, each in a process of its own, which is the command line's
 * `philab runs resume`. What a run is lies in its folder; here is only who works on it.
 */
import { spawn, type ChildProcess } from "node:child_process";
import path from "node:path";
import { LabError } from "../../base/errors.ts";
import { PACKAGE_ROOT } from "../../base/package.ts";
import { readRun, writeRecord, type Run } from "../../jobs/runs.ts";
import type { Log } from "../recent-log.ts";

const PROGRAM = path.join(PACKAGE_ROOT, "dist", "cli", "main.js");
const MAX_WAITING = 64;
const STDERR_KEPT = 2_000;
/** A run that is stopped saves what it has done; afterwards it is killed. */
const GRACE_MS = 20_000;

interface Work {
  id: string;
  child: ChildProcess;
  ended: Promise<void>;
  isCancelled: boolean;
}

export class RunQueue {
  readonly #home: string;
  readonly #threads: number | undefined;
  readonly #log: Log;
  readonly #waiting: Run[] = [];
  #working: Work | undefined;
  #isClosed = false;

  /**
   * @param home - `PHILAB_HOME`
   * @param threads - of runs that do not say how many, where the server was told
   */
  constructor({ home, threads, log }: { home: string; threads?: number | undefined; log: Log }) {
    this.#home = home;
    this.#threads = threads;
    this.#log = log;
  }

  /** Whether this server has the run in work or waiting. */
  has(id: string): boolean {
    return this.#working?.id === id || this.#waiting.some(({ record }) => record.id === id);
  }

  /** Runs of this server: the one in work, and those that wait, next first. */
  get ids(): { working: string | null; waiting: string[] } {
    return {
      working: this.#working?.id ?? null,
      waiting: this.#waiting.map(({ record }) => record.id),
    };
  }

  /** Resolves when no process of this server works on the run: one that has said how it ended is on its way out. */
  async released(id: string): Promise<void> {
    if (this.#working?.id === id) await this.#working.ended;
  }

  /** Throws `busy` where too many wait already. */
  assertRoom(): void {
    if (this.#waiting.length < MAX_WAITING) return;
    throw new LabError("busy", `${this.#waiting.length} runs wait already`, {
      hint: "Ask again when some have ended, or cancel some.",
    });
  }

  /** Begins a run when those before it have ended. */
  add(run: Run): void {
    this.assertRoom();
    this.#waiting.push(run);
    this.#next();
  }

  /** Goes on with a run that nobody works on any more; its record says at once that it waits. */
  async resume({ folder, record }: Run): Promise<Run> {
    this.assertRoom();
    const { error: _error, endedAt: _ended, ...kept } = record;
    const run: Run = { folder, record: { ...kept, state: "queued" } };
    await writeRecord(folder, run.record);
    this.add(run);
    return run;
  }

  /**
   * Stops a run; it saves what it has done and can be resumed.
   *
   * @throws LabError `bad_input` for a run that has ended, `unsupported` for one that another program works on
   */
  async cancel({ folder, record }: Run): Promise<void> {
    const { id, state } = record;
    if (this.#working?.id === id) return stop(this.#working);
    const place = this.#waiting.findIndex((waiting) => waiting.record.id === id);
    if (place < 0 && (state === "running" || state === "queued"))
      throw new LabError("unsupported", `${id} is no work of this server`, {
        hint: "Stop it where it was started: Ctrl-C saves what it has done.",
      });
    if (place < 0) throw new LabError("bad_input", `${id} has ended: ${state}`);
    this.#waiting.splice(place, 1);
    await end({ folder, record }, cancelled(id));
    return undefined;
  }

  /** Stops what is in work; what waits stays queued on disk. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#waiting.length = 0;
    const working = this.#working;
    if (working === undefined) return;
    const timer = setTimeout(() => working.child.kill("SIGKILL"), GRACE_MS);
    await stop(working);
    clearTimeout(timer);
  }

  #next(): void {
    if (this.#isClosed || this.#working !== undefined) return;
    const run = this.#waiting.shift();
    if (run === undefined) return;
    const { id } = run.record;
    // The server's key is none of a run's business.
    const { PHILAB_API_KEY: _key, ...env } = process.env;
    const child = spawn(process.execPath, [PROGRAM, "runs", "resume", id], {
      env: {
        ...env,
        PHILAB_HOME: this.#home,
        ...(this.#threads === undefined ? {} : { PHILAB_THREADS: String(this.#threads) }),
      },
      stdio: ["ignore", "ignore", "pipe"],
    });
    let stderr = "";
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      stderr = (stderr + text).slice(-STDERR_KEPT);
    });
    const ended = new Promise<string>((resolve) => {
      child.once("error", ({ message }) => resolve(message));
      child.once("close", (code, signal) => resolve(signal ?? `exit code ${code}`));
    }).then(async (how) => {
      const why = `${how}: ${stderr.trim().split("\n").at(-1) ?? ""}`;
      await this.#settle(
        run.folder,
        work.isCancelled
          ? cancelled(id)
          : new LabError("engine_failed", `the run did not begin (${why})`),
      );
      this.#working = undefined;
      this.#next();
    });
    const work: Work = { id, child, ended, isCancelled: false };
    this.#working = work;
    this.#log("run started", { run: id, pid: child.pid ?? 0 });
  }

  /** A process that ended before it could take its run up left nobody to say why. */
  async #settle(folder: string, why: LabError): Promise<void> {
    try {
      const run = await readRun(folder);
      this.#log("run ended", { run: run.record.id, state: run.record.state });
      if (run.record.state === "queued") await end(run, why);
    } catch (error) {
      this.#log("a run's record cannot be read", { folder, error: LabError.from(error).message });
    }
  }
}

function stop(work: Work): Promise<void> {
  work.isCancelled = true;
  work.child.kill("SIGTERM");
  return work.ended;
}

function cancelled(id: string): LabError {
  return new LabError("interrupted", `${id} was cancelled`);
}

/** Writes down how a run ended that no process works on. */
async function end({ folder, record }: Run, error: LabError): Promise<void> {
  const state = error.code === "interrupted" ? "cancelled" : "failed";
  const endedAt = new Date().toISOString();
  await writeRecord(folder, { ...record, state, error: error.toJSON(), endedAt });
}
