/** One child process with a model in it, from its start to its end. */
import { fork, type ChildProcess } from "node:child_process";
import path from "node:path";
import { createInterface } from "node:readline";
import { LabError } from "../../base/errors.ts";
import { PACKAGE_ROOT } from "../../base/package.ts";
import type {
  ArgumentsOf,
  EventOf,
  FromWorker,
  OperationName,
  ResultOf,
  ToWorker,
  WorkerFacts,
  WorkerSettings,
} from "../worker/protocol.ts";
import type { BatcherCounts } from "../../generate/batch/batcher.ts";

const WORKER = path.join(PACKAGE_ROOT, "dist", "server", "worker", "main.js");
/** What is kept of the end of stderr: ggml writes there why it aborts. */
const STDERR_KEPT = 4_000;
/** What a process wrote just before its end arrives just after it. */
const STDERR_WAIT_MS = 20;
/** Time to end by itself, before it is killed. */
const GRACE_MS = 2_000;

export interface CallOptions<E> {
  signal?: AbortSignal;
  onEvent?: (event: E) => void;
}

interface PendingCall {
  resolve: (result: never) => void;
  reject: (error: LabError) => void;
  onEvent: ((event: never) => void) | undefined;
}

export class WorkerProcess {
  readonly facts: Promise<WorkerFacts>;
  /** Resolves with the cause when the process has ended. */
  readonly ended: Promise<string>;
  counts: BatcherCounts | undefined;
  /** Of memory, when the process last said so. */
  residentBytes: number | undefined;
  readonly #child: ChildProcess;
  readonly #calls = new Map<number, PendingCall>();
  #nextCall = 0;
  #cause: string | undefined;
  #stderr = "";

  /** @param onLine - takes what the process writes on stderr, line by line */
  constructor(settings: WorkerSettings, onLine: (line: string) => void = () => undefined) {
    this.#child = fork(WORKER, [], {
      serialization: "advanced",
      stdio: ["ignore", "ignore", "pipe", "ipc"],
    });
    this.#child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      this.#stderr = (this.#stderr + text).slice(-STDERR_KEPT);
    });
    if (this.#child.stderr) createInterface({ input: this.#child.stderr }).on("line", onLine);
    this.ended = new Promise((resolve) => {
      const end = (how: string): void => {
        this.#cause ??= this.#explain(how);
        for (const { reject } of this.#calls.values()) reject(processEnded(this.#cause));
        this.#calls.clear();
        resolve(this.#cause);
      };
      this.#child.once("error", ({ message }) => end(message));
      // `close`, which waits for stderr, does not come where the channel was closed from here.
      this.#child.once("exit", (code, signal) => {
        setTimeout(() => end(signal ?? `exit code ${code}`), STDERR_WAIT_MS);
      });
    });
    this.facts = new Promise((resolve, reject) => {
      this.#child.on("message", (messages: FromWorker[]) => {
        for (const message of messages)
          if (message.kind === "ready") resolve(message.facts);
          else if (message.kind === "refused") reject(LabError.fromJSON(message.error));
          else this.#receive(message);
      });
      void this.ended.then((cause) => reject(processEnded(cause)));
    });
    this.facts.catch(() => undefined); // whoever waits for it is told
    this.#send({ kind: "open", settings });
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  get hasEnded(): boolean {
    return this.#cause !== undefined;
  }

  /**
   * @throws LabError what the operation throws, `engine_failed` where the process ends, `interrupted`
   */
  async call<N extends OperationName>(
    operation: N,
    args: ArgumentsOf<N>,
    { signal, onEvent }: CallOptions<EventOf<N>> = {},
  ): Promise<ResultOf<N>> {
    signal?.throwIfAborted();
    if (this.#cause !== undefined) throw processEnded(this.#cause);
    const call = this.#nextCall++;
    const cancel = (): void => this.#send({ kind: "cancel", call });
    signal?.addEventListener("abort", cancel, { once: true });
    try {
      return await new Promise<ResultOf<N>>((resolve, reject) => {
        this.#calls.set(call, { resolve, reject, onEvent });
        this.#send({ kind: "call", call, operation, args });
      });
    } finally {
      signal?.removeEventListener("abort", cancel);
      this.#calls.delete(call);
    }
  }

  /** Ends the process, and with it the calls that are under way. */
  async stop(): Promise<void> {
    if (this.#cause !== undefined) return;
    if (this.#child.connected) this.#child.disconnect();
    const timer = setTimeout(() => this.#child.kill("SIGKILL"), GRACE_MS);
    await this.ended;
    clearTimeout(timer);
  }

  #receive(message: Exclude<FromWorker, { kind: "ready" | "refused" }>): void {
    if (message.kind === "counts") {
      ({ counts: this.counts, residentBytes: this.residentBytes } = message);
      return;
    }
    const pending = this.#calls.get(message.call);
    if (pending === undefined) return;
    if (message.kind === "event") pending.onEvent?.(message.event as never);
    else if (message.kind === "result") pending.resolve(message.result as never);
    else pending.reject(LabError.fromJSON(message.error));
  }

  #send(message: ToWorker): void {
    // A process that has just ended says so itself.
    if (this.#child.connected) this.#child.send(message, () => undefined);
  }

  #explain(how: string): string {
    const lines = this.#stderr.split("\n").map((line) => line.trim());
    const isNodes = /^\(node:\d+\)|^\(Use `node /; // its warnings
    const why = lines.find((line) => /GGML_ASSERT|error|abort/i.test(line) && !isNodes.test(line));
    return why === undefined ? how : `${how}: ${why.slice(0, 300)}`;
  }
}

function processEnded(cause: string): LabError {
  return new LabError("engine_failed", `the process of the model ended (${cause})`, {
    hint: "It is being started again. Ask once more in a moment.",
  });
}
