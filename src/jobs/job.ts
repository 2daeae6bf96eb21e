/**
 * A job: long work with a folder. The command line, the server and the studio start, watch, cancel and resume the same
 * object. A definition says what the work is; the folder holds everything that a later process needs to take it up again.
 */
import path from "node:path";
import type { z } from "zod";
import { LabError } from "../base/errors.ts";
import { toJson, type JsonValue } from "../base/json.ts";
import { packageVersion } from "../base/package.ts";
import { RateMeter } from "../base/progress.ts";
import { checkObject } from "../base/schema.ts";
import { beginAttempt } from "./attempts.ts";
import { EventLog, tailEvents, type EventFields } from "./events.ts";
import type { Provenance, RunEvent, RunRecord, RunState } from "./record.ts";
import { createRunFolder, readRecord, writeRecord, type Run } from "./runs.ts";

/** Progress alone is written this often at most; metrics, samples and messages always are. */
const PROGRESS_INTERVAL_MS = 250;
const WATCH_INTERVAL_MS = 50;

/** What a job's work is given. */
export interface JobContext<A> {
  readonly arguments: A;
  /** The run's folder: artefacts and the state to resume from belong here. */
  readonly folder: string;
  /** Aborted when the run is to stop; the work then saves what it needs and throws. */
  readonly signal: AbortSignal;
  /** 1 for the first try; above 1 the work begins with what earlier attempts saved in the folder. */
  readonly attempt: number;
  /** How far the work is. May be called as often as one likes; written a few times a second. */
  readonly progress: (step: number, more?: { total?: number; message?: string }) => void;
  /** Something worth keeping: always written. */
  readonly emit: (event: Pick<EventFields, "message" | "metrics" | "samples">) => void;
  /** Adds to the record what is only known once the work has begun: hashes, the engine's version. */
  readonly describe: (known: LaterProvenance) => Promise<void>;
}

type LaterProvenance = Partial<Omit<Provenance, "command" | "versions">> & {
  engine?: string;
  plan?: RunRecord["plan"];
};

export interface JobDefinition<A extends z.ZodObject, R extends JsonValue> {
  /** A short word: `train`, `eval`, `pull`. */
  kind: string;
  /** What the job takes; stored in `run.json` and checked again on resume. */
  arguments: A;
  /** Does the work, from the start or from what is in the folder. */
  run(context: JobContext<z.output<A>>): Promise<R>;
}

export function defineJob<A extends z.ZodObject, R extends JsonValue>(
  definition: JobDefinition<A, R>,
): JobDefinition<A, R> {
  return definition;
}

export interface CreateOptions<A extends z.ZodObject> {
  /** `PHILAB_HOME/runs`. */
  runsFolder: string;
  /** What it is about, such as the model's name; becomes part of the folder's name. */
  name: string;
  arguments: z.input<A>;
  /** What is known at the start; versions are filled in. */
  provenance: Partial<Omit<Provenance, "versions">> & { engine?: string };
}

/**
 * A new run, queued, for this process or for another that resumes it: its folder and `run.json` exist, nothing has begun.
 *
 * @throws LabError `bad_input` for wrong arguments
 */
export async function createRun<A extends z.ZodObject>(
  definition: { kind: string; arguments: A },
  { runsFolder, name, arguments: given, provenance }: CreateOptions<A>,
): Promise<Run & { args: z.output<A> }> {
  const { kind } = definition;
  const args = checkObject(definition.arguments, given, { what: kind });
  const createdAt = new Date();
  const folder = await createRunFolder(runsFolder, { kind, name, createdAt });
  const { engine, ...known } = provenance;
  const record: RunRecord = {
    schema: 1,
    id: path.basename(folder),
    kind,
    name,
    arguments: asJson(args) as RunRecord["arguments"],
    command: [],
    models: [],
    data: [],
    ...known,
    versions: {
      philab: packageVersion(),
      node: process.versions.node,
      ...(engine === undefined ? {} : { engine }),
    },
    state: "queued",
    createdAt: createdAt.toISOString(),
  };
  await writeRecord(folder, record);
  return { folder, record, args };
}

/**
 * @example
 * const job = await Job.create(train, { runsFolder, name: "phi-nano", arguments, provenance });
 * const finished = job.start({ signal });
 * for await (const event of job) show(event);
 * const result = await finished;
 */
export class Job<R extends JsonValue> implements AsyncIterable<RunEvent> {
  readonly folder: string;
  readonly #work: (context: JobContext<never>) => Promise<R>;
  readonly #arguments: unknown;
  readonly #stop = new AbortController();
  readonly #rate = new RateMeter();
  #record: RunRecord;
  /** Where this attempt's events begin in the file; undefined where it could not begin. */
  readonly #began: Promise<number | undefined>;
  #begin: (startByte: number | undefined) => void = () => undefined;
  #finished: Promise<R> | undefined;
  #live = true;
  #progress: Pick<EventFields, "step" | "total" | "rate" | "message"> = {};
  #writtenMs = -Infinity;

  private constructor(
    definition: { run(context: JobContext<never>): Promise<R> },
    { folder, record, args }: { folder: string; record: RunRecord; args: unknown },
  ) {
    this.folder = folder;
    this.#work = (context) => definition.run(context);
    this.#arguments = args;
    this.#record = record;
    this.#began = new Promise((resolve) => (this.#begin = resolve));
  }

  /** A new run, queued: its folder and `run.json` exist, nothing has begun. Throws `bad_input` for wrong arguments. */
  static async create<A extends z.ZodObject, R extends JsonValue>(
    definition: JobDefinition<A, R>,
    options: CreateOptions<A>,
  ): Promise<Job<R>> {
    return new Job(definition, await createRun(definition, options));
  }

  /** A run that exists: queued, failed, cancelled, or left by a process that died. `start` continues it. */
  static async resume<A extends z.ZodObject, R extends JsonValue>(
    definition: JobDefinition<A, R>,
    folder: string,
  ): Promise<Job<R>> {
    const record = await readRecord(folder);
    if (record.kind !== definition.kind)
      throw new LabError(
        "bad_input",
        `${record.id} is a ${record.kind} run, not ${definition.kind}`,
      );
    const args = checkObject(definition.arguments, record.arguments, { what: record.id });
    return new Job(definition, { folder, record, args });
  }

  /** `run.json` as this process last wrote or read it. */
  get record(): Readonly<RunRecord> {
    return this.#record;
  }

  /**
   * Does the work and resolves with its result, which is in `run.json` by then. Rejects with `busy` where another
   * process works on the run, with `bad_input` where it is done, with `interrupted` when it was stopped, and with what
   * the work threw; the record says the same.
   */
  start({ signal }: { signal?: AbortSignal } = {}): Promise<R> {
    if (this.#finished) return this.#finished;
    this.#finished = this.#run(signal).finally(() => {
      this.#live = false;
      this.#begin(undefined);
    });
    // Whoever watches the events may await the result only afterwards.
    this.#finished.catch(() => undefined);
    return this.#finished;
  }

  /** Asks the work to stop; it stays resumable. */
  cancel(): void {
    this.#stop.abort(new LabError("interrupted", `${this.#record.id} was cancelled`));
  }

  /** The events of this attempt from its beginning, until it ends. */
  async *[Symbol.asyncIterator](): AsyncGenerator<RunEvent, void, undefined> {
    const startByte = await this.#began;
    if (startByte === undefined) return;
    yield* tailEvents(this.folder, {
      fromByte: startByte,
      isLive: () => Promise.resolve(this.#live),
      intervalMs: WATCH_INTERVAL_MS,
    });
  }

  async #run(outer: AbortSignal | undefined): Promise<R> {
    const signal = outer ? AbortSignal.any([outer, this.#stop.signal]) : this.#stop.signal;
    const attempt = await beginAttempt(this.folder);
    try {
      this.#record = await readRecord(this.folder);
      const { id, state, startedAt } = this.#record;
      if (state === "done")
        throw new LabError("bad_input", `${id} is done`, { hint: `philab runs show ${id}` });
      const { endedAt: _ended, error: _error, ...kept } = this.#record;
      await this.#save({ ...kept, state: "running", startedAt: startedAt ?? now() });
      return await this.#attempt({ number: attempt.number, signal });
    } finally {
      await attempt.end();
    }
  }

  async #attempt({ number, signal }: { number: number; signal: AbortSignal }): Promise<R> {
    const log = await EventLog.open(this.folder, number);
    this.#begin(log.startByte);
    let result: R | undefined;
    let problem: LabError | undefined;
    try {
      log.append({ state: "running" });
      result = await this.#work(this.#context(log, { signal, attempt: number }));
    } catch (error) {
      problem = LabError.from(signal.aborted ? signal.reason : error);
    }
    const stateOf = (): RunState =>
      !problem ? "done" : problem.code === "interrupted" ? "cancelled" : "failed";
    try {
      const message = problem === undefined ? {} : { message: problem.message };
      log.append({ ...this.#position(), state: stateOf(), ...message });
    } catch (error) {
      problem ??= LabError.from(error);
    }
    // The record last: whoever sees it ended can be sure to have all events.
    await log.close().catch((error: unknown) => (problem ??= LabError.from(error)));
    const outcome = problem ? { error: problem.toJSON() } : { result: asJson(result) };
    await this.#save({ ...this.#record, ...outcome, state: stateOf(), endedAt: now() });
    if (problem) throw problem;
    return result as R;
  }

  #context(
    log: EventLog,
    { signal, attempt }: { signal: AbortSignal; attempt: number },
  ): JobContext<never> {
    return {
      arguments: this.#arguments as never,
      folder: this.folder,
      signal,
      attempt,
      progress: (step, { total = this.#progress.total, message } = {}) => {
        const nowMs = performance.now();
        this.#rate.record(step, nowMs);
        const rate = this.#rate.perSecond;
        // A message waits for the next event that is written; it is not said twice.
        const waiting = message ?? this.#progress.message;
        this.#progress = {
          step,
          ...(total === undefined ? {} : { total }),
          ...(rate === undefined ? {} : { rate: Math.max(0, rate) }),
          ...(waiting === undefined ? {} : { message: waiting }),
        };
        if (nowMs - this.#writtenMs < PROGRESS_INTERVAL_MS) return;
        this.#writtenMs = nowMs;
        log.append(this.#progress);
        delete this.#progress.message;
      },
      emit: (event) => log.append({ ...this.#position(), ...event }),
      describe: async ({ engine, ...known }) => {
        const versions = { ...this.#record.versions, ...(engine === undefined ? {} : { engine }) };
        await this.#save({ ...this.#record, ...known, versions });
      },
    };
  }

  /** How far the work is, for events about something else. */
  #position(): Pick<EventFields, "step" | "total"> {
    const { step, total } = this.#progress;
    return { ...(step === undefined ? {} : { step }), ...(total === undefined ? {} : { total }) };
  }

  async #save(record: RunRecord): Promise<void> {
    await writeRecord(this.folder, record);
    this.#record = record;
  }
}

function now(): string {
  return new Date().toISOString();
}

/** What a value is once it went through a file. */
function asJson(value: unknown): Exclude<RunRecord["result"], undefined> {
  return JSON.parse(toJson(value)) as Exclude<RunRecord["result"], undefined>;
}
