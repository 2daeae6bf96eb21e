/** The command line inside the test's own process: what a command prints, and its exit code. */
import { PassThrough } from "node:stream";
import { runProgram } from "../../src/cli/program.ts";

export interface Ran {
  exit: number;
  /** What went to stdout, and to stderr. */
  out: string;
  err: string;
  /** The pieces that stdout was given, in order. */
  pieces: string[];
}

export interface RunOptions {
  /** PHILAB_HOME, and where relative paths start from. */
  cwd: string;
  env?: NodeJS.ProcessEnv;
  /** What is piped in. */
  stdin?: string;
  signal?: AbortSignal;
}

/** Runs `philab ...argv` with one thread. */
export async function philab(
  argv: readonly string[],
  { cwd, env = {}, stdin = "", signal = new AbortController().signal }: RunOptions,
): Promise<Ran> {
  const ran: Ran = { exit: -1, out: "", err: "", pieces: [] };
  const input = new PassThrough();
  input.end(stdin);
  ran.exit = await runProgram(argv, {
    stdout: {
      write: (text: string) => {
        ran.out += text;
        ran.pieces.push(text);
      },
    },
    stderr: { write: (text: string) => (ran.err += text) },
    stdin: input,
    env: { PHILAB_THREADS: "1", PHILAB_MODEL: "phi-micro", PHILAB_HOME: cwd, ...env },
    cwd,
    signal,
  });
  return ran;
}

/** The one JSON object that `--json` printed. */
export function json({ out }: Ran): Record<string, unknown> {
  if (out.trimEnd().includes("\n")) throw new Error(`more than one line on stdout:\n${out}`);
  return JSON.parse(out) as Record<string, unknown>;
}
