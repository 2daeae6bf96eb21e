/**
 * Programs in the machine's own `python3` inside bubblewrap: faster than WebAssembly and with the packages that are
 * installed there, behind one layer less. Only where somebody asks for it.
 */
import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { throwIfInterrupted } from "../base/atomic.ts";
import { LabError } from "../base/errors.ts";
import type { Writable } from "node:stream";
import { bubblewrapArguments, hasBubblewrap } from "./isolation.ts";
import { noProcesses } from "./no-processes.ts";
import {
  DEFAULT_LIMITS,
  MAX_OUTPUT,
  type ProgramOutcome,
  type PythonSandbox,
  type SandboxLimits,
} from "./types.ts";

/** Limits first, then the program, then a word that only a program that came to its end is followed by. */
const LAUNCHER = `
import resource, sys
memory, word = int(sys.argv[1]), sys.stdin.readline().strip()
for what, limit in ((resource.RLIMIT_AS, memory), (resource.RLIMIT_FSIZE, 0), (resource.RLIMIT_CORE, 0)):
    resource.setrlimit(what, (limit, limit))
source = sys.stdin.read()
def run():
    module = type(sys)("__main__")
    sys.modules["__main__"] = module
    exec(compile(source, "<program>", "exec"), module.__dict__)
run()
sys.stdout.flush()
print("\\n" + word, flush=True)
`;

/** The machine's own `python3` inside bubblewrap: faster, with one layer less between a program and the machine. */
export class SystemPythonSandbox implements PythonSandbox {
  readonly interpreter: string;
  readonly layers = [
    "bubblewrap: no network, only the system's files, read-only",
    "resource limits",
  ];
  readonly #limits: SandboxLimits;
  readonly #command: readonly string[];
  readonly #processes: number;
  readonly #waiting: (() => void)[] = [];
  #running = 0;

  private constructor(
    limits: SandboxLimits,
    { python, version, processes }: { python: Python; version: string; processes: number },
  ) {
    this.#limits = limits;
    this.#processes = processes;
    this.interpreter = `Python ${version}`;
    const confined = bubblewrapArguments([python.prefix]);
    this.#command = [
      ...confined,
      "--seccomp",
      "3",
      python.executable,
      "-I",
      "-c",
      LAUNCHER,
      String(limits.memoryBytes),
    ];
  }

  /** @throws LabError `unsupported` where bubblewrap or python3 is missing */
  static async open({
    processes = 1,
    ...limits
  }: Partial<SandboxLimits> & { processes?: number } = {}): Promise<SystemPythonSandbox> {
    if (!hasBubblewrap())
      throw new LabError("unsupported", "the system's Python is used inside bubblewrap only", {
        hint: "Install bubblewrap (bwrap), or use the sandbox that comes with philab.",
      });
    const python = findPython();
    const { version } = python;
    return new SystemPythonSandbox(
      { ...DEFAULT_LIMITS, ...limits },
      { python, version, processes },
    );
  }

  async run(
    program: string,
    {
      timeoutMs = this.#limits.timeoutMs,
      signal,
    }: { timeoutMs?: number; signal?: AbortSignal } = {},
  ): Promise<ProgramOutcome> {
    if (this.#running >= this.#processes)
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    else this.#running++;
    try {
      return await this.#run(program, { timeoutMs, signal });
    } finally {
      const next = this.#waiting.shift();
      if (next) next();
      else this.#running--;
    }
  }

  async #run(
    program: string,
    { timeoutMs, signal }: { timeoutMs: number; signal: AbortSignal | undefined },
  ): Promise<ProgramOutcome> {
    throwIfInterrupted(signal);
    const startMs = performance.now();
    const word = randomBytes(16).toString("hex");
    const [file = "", ...args] = this.#command;
    const child = spawn(file, args, { env: {}, stdio: ["pipe", "pipe", "pipe", "pipe"] });
    const filter = child.stdio[3] as Writable;
    filter.on("error", () => undefined);
    filter.end(noProcesses());
    let timedOut = false;
    const timer = setTimeout(() => {
      timedOut = true;
      stop();
    }, timeoutMs);
    const stop = (): void => killWithChildren(child);
    signal?.addEventListener("abort", stop, { once: true });
    const [out, err] = [new Tail(), new Tail()];
    child.stdout.setEncoding("utf8").on("data", (text: string) => out.push(text));
    child.stderr.setEncoding("utf8").on("data", (text: string) => err.push(text));
    child.stdin.on("error", () => undefined);
    child.stdin.end(`${word}\n${program}`);
    const code = await new Promise<number | null>((resolve, reject) => {
      child.once("error", reject);
      child.once("close", resolve);
    });
    clearTimeout(timer);
    signal?.removeEventListener("abort", stop);
    if (signal?.aborted === true) throw new LabError("interrupted", "interrupted");
    const elapsedMs = performance.now() - startMs;
    const output = out.start.slice(0, MAX_OUTPUT);
    if (timedOut)
      return { status: "timed_out", error: `stopped after ${timeoutMs} ms`, output, elapsedMs };
    if (code === 0 && out.end.endsWith(`\n${word}\n`))
      return { status: "passed", output: output.replace(`\n${word}\n`, ""), elapsedMs };
    const error = err.end.trim().split("\n").at(-1) ?? "";
    if (error.startsWith("MemoryError"))
      return { status: "out_of_memory", error, output, elapsedMs };
    return error === ""
      ? { status: "crashed", error: `the interpreter ended (exit code ${code})`, output, elapsedMs }
      : { status: "failed", error, output, elapsedMs };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // Every program has a process of its own, which ends with it.
  }
}

/**
 * bubblewrap's child dies with it, but only once it has asked the kernel for that: one that was just made would live on, and hold
 * the pipes open.
 */
function killWithChildren(child: ChildProcess): void {
  const { pid } = child;
  if (pid === undefined) return;
  // Stopped first: it makes no child between the list and the end.
  child.kill("SIGSTOP");
  let children = "";
  try {
    children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8");
  } catch {
    // It has ended, or the kernel keeps no such list.
  }
  for (const id of children.split(" ").filter(Boolean))
    try {
      process.kill(Number(id), "SIGKILL");
    } catch {
      // Gone already.
    }
  child.kill("SIGKILL");
}

/** The two ends of a text of any length. */
class Tail {
  start = "";
  end = "";

  push(text: string): void {
    if (this.start.length < MAX_OUTPUT) this.start += text;
    this.end = (this.end + text).slice(-MAX_OUTPUT);
  }
}

interface Python {
  executable: string;
  prefix: string;
  version: string;
}

function findPython(): Python {
  const ask =
    "import os, sys; print(os.path.realpath(sys.executable), sys.base_prefix, sys.version.split()[0], sep='\\n')";
  const { status, stdout } = spawnSync("python3", ["-I", "-c", ask], { encoding: "utf8" });
  const [executable, prefix, version] = status === 0 ? stdout.trim().split("\n") : [];
  if (executable === undefined || prefix === undefined || version === undefined)
    throw new LabError("unsupported", "python3 is not installed", {
      hint: "Use the sandbox that comes with philab.",
    });
  return { executable, prefix, version };
}
