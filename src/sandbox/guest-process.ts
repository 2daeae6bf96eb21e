/** One child process with a Python in it. */
import { spawn, type ChildProcessByStdio } from "node:child_process";
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import { fileURLToPath } from "node:url";
import path from "node:path";
import { throwIfInterrupted } from "../base/atomic.ts";
import { LabError } from "../base/errors.ts";
import { guest, type GuestReply, type GuestRequest, type GuestSettings } from "./guest.ts";
import { confineNode } from "./isolation.ts";
import { MAX_OUTPUT, type ProgramOutcome, type SandboxLimits } from "./types.ts";

/** A start takes two to three seconds; this is for a machine with no time at all. */
const START_TIMEOUT_MS = 120_000;
const STDERR_KEPT = 2_000;

/** The memory of a Python that has started, as the first child sent it: a later one starts from it in a tenth of the time. */
let snapshot = "";

type Child = ChildProcessByStdio<Writable, Readable, Readable>;
type Heard = { reply: GuestReply } | { ended: string };

export class GuestProcess implements Disposable {
  readonly layers: readonly string[];
  readonly #child: Child;
  readonly #waiting: ((heard: Heard) => void)[] = [];
  #ended: string | undefined;
  #stderr = "";

  private constructor(memoryBytes: number) {
    const pyodideUrl = import.meta.resolve("pyodide");
    const settings: GuestSettings = { pyodideUrl, memoryBytes, maxOutput: MAX_OUTPUT };
    const script = `(${guest.toString()})(${JSON.stringify(settings)}, (specifier) => import(specifier));`;
    const { command, layers } = confineNode(script, path.dirname(fileURLToPath(pyodideUrl)));
    this.layers = layers;
    const [file = "", ...args] = command;
    const env = process.platform === "win32" ? { SystemRoot: process.env["SystemRoot"] } : {};
    this.#child = spawn(file, args, { env, stdio: ["pipe", "pipe", "pipe"] });
    this.#listen();
    this.#child.stdin.write(`${snapshot}\n`);
  }

  /** Starts a child and waits until its Python is ready. Throws `engine_failed`. */
  static async start({
    memoryBytes,
  }: Pick<SandboxLimits, "memoryBytes">): Promise<{ process: GuestProcess; version: string }> {
    const started = new GuestProcess(memoryBytes);
    const timer = setTimeout(() => started[Symbol.dispose](), START_TIMEOUT_MS);
    const heard = await started.#next();
    clearTimeout(timer);
    if ("reply" in heard && "ready" in heard.reply) {
      snapshot = heard.reply.snapshot ?? snapshot;
      return { process: started, version: heard.reply.ready };
    }
    started[Symbol.dispose]();
    throw new LabError("engine_failed", `Python does not start: ${started.#reason()}`, {
      hint: "`npm ls pyodide` says whether it is installed.",
    });
  }

  /** Whether it can take another program. */
  get isAlive(): boolean {
    return this.#ended === undefined;
  }

  /** Runs a program; kills the process where the program takes too long. */
  async run(
    program: string,
    { timeoutMs, signal }: { timeoutMs: number; signal?: AbortSignal | undefined },
  ): Promise<ProgramOutcome> {
    // A signal that was given before says nothing any more.
    throwIfInterrupted(signal);
    const startMs = performance.now();
    let timedOut = false;
    const timer = setTimeout(() => {
      timedOut = true;
      this[Symbol.dispose]();
    }, timeoutMs);
    const stop = (): void => this[Symbol.dispose]();
    signal?.addEventListener("abort", stop, { once: true });
    this.#child.stdin.write(`${JSON.stringify({ program } satisfies GuestRequest)}\n`);
    const heard = await this.#next();
    clearTimeout(timer);
    signal?.removeEventListener("abort", stop);
    if (signal?.aborted === true) throw new LabError("interrupted", "interrupted");
    if ("reply" in heard && "kind" in heard.reply) {
      const { kind, error, output, elapsedMs } = heard.reply;
      if (error === null) return { status: "passed", output, elapsedMs };
      return {
        status: kind === "MemoryError" ? "out_of_memory" : "failed",
        error,
        output,
        elapsedMs,
      };
    }
    this[Symbol.dispose]();
    const elapsedMs = performance.now() - startMs;
    if (timedOut)
      return { status: "timed_out", error: `stopped after ${timeoutMs} ms`, output: "", elapsedMs };
    return { status: "crashed", error: this.#reason(), output: "", elapsedMs };
  }

  #listen(): void {
    const end = (reason: string): void => {
      this.#ended ??= reason;
      for (const resolve of this.#waiting.splice(0)) resolve({ ended: reason });
    };
    this.#child.once("error", ({ message }) => end(message));
    this.#child.once("close", (code, signal) => end(signal ?? `exit code ${code}`));
    this.#child.stdin.on("error", () => undefined); // the end of the process says it all
    this.#child.stderr.setEncoding("utf8").on("data", (text: string) => {
      if (this.#stderr.length < STDERR_KEPT) this.#stderr += text;
    });
    createInterface({ input: this.#child.stdout }).on("line", (line) => {
      const waiting = this.#waiting.shift();
      if (waiting === undefined) return; // a line that nobody asked for
      try {
        waiting({ reply: JSON.parse(line) as GuestReply });
      } catch {
        waiting({ ended: "it wrote what is no answer" });
      }
    });
  }

  #next(): Promise<Heard> {
    if (this.#ended !== undefined) return Promise.resolve({ ended: this.#ended });
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  #reason(): string {
    const cause = /^(?:\w*Error|ExitStatus|Error)\b.*$/m.exec(this.#stderr)?.[0];
    return `the interpreter ended (${[this.#ended, cause].filter((text) => text !== undefined).join("; ")})`;
  }

  [Symbol.dispose](): void {
    this.#child.kill("SIGKILL");
  }
}
