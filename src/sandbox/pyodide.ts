/** Programs in Pyodide: a few child processes, each taking one program after the other. */
import { LabError } from "../base/errors.ts";
import { GuestProcess } from "./guest-process.ts";
import {
  DEFAULT_LIMITS,
  type ProgramOutcome,
  type PythonSandbox,
  type SandboxLimits,
} from "./types.ts";

interface Slot {
  process: GuestProcess | undefined;
}

/** CPython in WebAssembly, in child processes with an empty environment: for programs that nobody has read. */
export class PyodideSandbox implements PythonSandbox {
  readonly interpreter: string;
  readonly layers: readonly string[];
  readonly #limits: SandboxLimits;
  readonly #idle: Slot[];
  readonly #waiting: ((slot: Slot) => void)[] = [];
  readonly #slots: readonly Slot[];
  #closed = false;

  private constructor(
    limits: SandboxLimits,
    { first, version, processes }: { first: GuestProcess; version: string; processes: number },
  ) {
    this.#limits = limits;
    this.interpreter = `Pyodide ${version} (Python in WebAssembly)`;
    this.layers = first.layers;
    const rest = Array.from({ length: processes - 1 }, (): Slot => ({ process: undefined }));
    this.#slots = [{ process: first }, ...rest];
    this.#idle = [...this.#slots].reverse(); // the one that is started is taken first
  }

  /**
   * Starts Python.
   *
   * @throws LabError `engine_failed` where Python does not start
   */
  static async open({
    processes = 1,
    ...limits
  }: Partial<SandboxLimits> & {
    /** Programs that run beside each other; 1 by default. */
    processes?: number;
  } = {}): Promise<PyodideSandbox> {
    const all = { ...DEFAULT_LIMITS, ...limits };
    const { process: first, version } = await GuestProcess.start(all);
    return new PyodideSandbox(all, { first, version, processes });
  }

  async run(
    program: string,
    {
      timeoutMs = this.#limits.timeoutMs,
      signal,
    }: { timeoutMs?: number; signal?: AbortSignal } = {},
  ): Promise<ProgramOutcome> {
    const slot = await this.#take();
    try {
      if (this.#closed) throw new LabError("bad_input", "the sandbox is closed");
      signal?.throwIfAborted();
      if (slot.process?.isAlive !== true)
        slot.process = (await GuestProcess.start(this.#limits)).process;
      return await slot.process.run(program, { timeoutMs, signal });
    } catch (error) {
      throw LabError.from(error);
    } finally {
      const next = this.#waiting.shift();
      if (next) next(slot);
      else this.#idle.push(slot);
      if (this.#closed) slot.process?.[Symbol.dispose]();
    }
  }

  #take(): Promise<Slot> {
    const slot = this.#idle.pop();
    return slot ? Promise.resolve(slot) : new Promise((resolve) => this.#waiting.push(resolve));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    for (const { process } of this.#slots) process?.[Symbol.dispose]();
  }
}
