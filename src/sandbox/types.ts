/** What every sandbox promises, whatever runs the program inside. */

/**
 * - `passed`: the program ran to its end
 * - `failed`: it raised an exception, a failed assertion among them, or does not parse
 * - `timed_out`, `out_of_memory`: it reached a limit
 * - `crashed`: it ended the interpreter
 */
export type ProgramStatus = "passed" | "failed" | "timed_out" | "out_of_memory" | "crashed";

export interface ProgramOutcome {
  status: ProgramStatus;
  /** What went wrong: `AssertionError: …`, the limit that was reached. Absent where it passed. */
  error?: string;
  /** The beginning of what it printed. */
  output: string;
  elapsedMs: number;
}

export interface SandboxLimits {
  /** Wall-clock time of one program, counted from when it begins. */
  timeoutMs: number;
  /** Memory of the interpreter. */
  memoryBytes: number;
}

/** Two times the 3 s of HumanEval's own harness (Chen et al. 2021): Python in WebAssembly takes about twice as long. */
export const DEFAULT_LIMITS: SandboxLimits = { timeoutMs: 6_000, memoryBytes: 512 * 2 ** 20 };

/** Characters of output that are kept. */
export const MAX_OUTPUT = 4_000;

export interface PythonSandbox extends AsyncDisposable {
  /** What runs the programs: `Python 3.14.2 in WebAssembly`. */
  readonly interpreter: string;
  /** What stands between a program and the machine, for people. */
  readonly layers: readonly string[];
  /**
   * Runs one program. Programs wait for their turn; each meets a fresh interpreter. What a program does never throws;
   * it throws `interrupted`, and `engine_failed` where the interpreter itself does not start.
   */
  run(
    program: string,
    options?: { timeoutMs?: number; signal?: AbortSignal },
  ): Promise<ProgramOutcome>;
}
