/** A model that is kept running: its process is started again when it ends. */
import { setTimeout as sleep } from "node:timers/promises";
import type { ArgumentsOf, EventOf, OperationName, ResultOf } from "../worker/protocol.ts";
import type { WorkerFacts, WorkerSettings } from "../worker/protocol.ts";
import type { Log } from "../recent-log.ts";
import { WorkerProcess, type CallOptions } from "./worker-process.ts";

/** Waits between starts, where a process ends without having answered anything. */
const BACKOFF_MS = [0, 500, 2_000, 10_000, 30_000];

export type ModelState = "loading" | "ready" | "failed" | "stopped";

export interface SupervisorEvents {
  log: Log;
}

export class SupervisedModel {
  readonly id: string;
  readonly #settings: WorkerSettings;
  readonly #events: SupervisorEvents;
  #process: WorkerProcess;
  #state: ModelState = "loading";
  /** Starts since the last answer. */
  #fruitless = 0;
  #restart: Promise<void> | undefined;
  #usedMs = performance.now();
  #restarts = 0;
  #calls = 0;

  constructor(id: string, settings: WorkerSettings, events: SupervisorEvents) {
    this.id = id;
    this.#settings = settings;
    this.#events = events;
    this.#process = this.#start();
  }

  get state(): ModelState {
    return this.#state;
  }

  get pid(): number | undefined {
    return this.#process.pid;
  }

  get restarts(): number {
    return this.#restarts;
  }

  get residentBytes(): number | undefined {
    return this.#process.residentBytes;
  }

  get counts(): WorkerProcess["counts"] {
    return this.#process.counts;
  }

  /** Calls that are under way or wait for the model to be there. */
  get load(): number {
    return this.#calls;
  }

  /** How long nobody has asked it for anything. */
  get idleMs(): number {
    return this.#calls > 0 ? 0 : performance.now() - this.#usedMs;
  }

  /** What is known of the model once it is open. Throws what opening it throws. */
  async facts(): Promise<WorkerFacts> {
    return this.#counted(async () => {
      await this.#restart;
      return this.#process.facts;
    });
  }

  /** Asks the model; waits for it where it is being loaded. */
  async call<N extends OperationName>(
    operation: N,
    args: ArgumentsOf<N>,
    options: CallOptions<EventOf<N>> = {},
  ): Promise<ResultOf<N>> {
    return this.#counted(async (): Promise<ResultOf<N>> => {
      await this.facts();
      const result = await this.#process.call(operation, args, options);
      this.#fruitless = 0;
      return result;
    });
  }

  /** Somebody asks in this turn of the event loop: it must not be unloaded before. */
  hold(): void {
    this.#calls++;
    setImmediate(() => this.#calls--);
    this.#usedMs = performance.now();
  }

  async stop(): Promise<void> {
    this.#state = "stopped";
    await this.#process.stop();
  }

  async #counted<T>(work: () => Promise<T>): Promise<T> {
    this.#calls++;
    try {
      return await work();
    } finally {
      this.#calls--;
      this.#usedMs = performance.now();
    }
  }

  #start(): WorkerProcess {
    const startMs = performance.now();
    const started = new WorkerProcess(this.#settings, (line) => {
      if (line.trim() !== "") this.#events.log("model process wrote", { model: this.id, line });
    });
    this.#state = "loading";
    started.facts.then(
      () => {
        if (this.#state !== "loading") return;
        this.#state = "ready";
        const loadMs = Math.round(performance.now() - startMs);
        this.#events.log("model loaded", { model: this.id, loadMs, pid: started.pid ?? 0 });
      },
      () => {
        // What cannot be opened now will not open at the next try either; a process that ended is started again.
        if (this.#state !== "loading" || started.hasEnded) return;
        this.#state = "failed";
        void started.stop();
      },
    );
    void started.ended.then((cause) => this.#onEnd(cause));
    return started;
  }

  #onEnd(cause: string): void {
    if (this.#state === "stopped" || this.#state === "failed") return;
    this.#restarts++;
    const waitMs = BACKOFF_MS[Math.min(this.#fruitless++, BACKOFF_MS.length - 1)] ?? 0;
    this.#events.log("model process ended", { model: this.id, cause, startsAgainInMs: waitMs });
    this.#state = "loading";
    this.#restart = sleep(waitMs).then(() => {
      if (this.#state !== "stopped") this.#process = this.#start();
    });
  }
}
