/** Errors on the command line: one line that says what is wrong, one that says what to do, and the exit code. */
import { inspect } from "node:util";
import { CommanderError } from "commander";
import { ERROR_STATUS, LabError } from "../base/errors.ts";
import { toJson } from "../base/json.ts";
import { colorsFor, visibleText, type TextStream } from "../base/terminal.ts";

/** The reason that `signal` carries when stdout was closed (`philab … | head`): end quietly. */
export const OUTPUT_CLOSED = new LabError("interrupted", "nobody reads the output any more");

export interface ErrorStreams {
  stdout: TextStream;
  stderr: TextStream;
  env: NodeJS.ProcessEnv;
  /** Whether stdout is promised to be one JSON object: the error is one, too. */
  json: boolean;
  /** What was called, as `philab score`: its help is pointed to where it was called in a wrong way. */
  called: string;
}

/**
 * Prints `error` and returns the exit code: 0 where Commander has shown help, else that of the error's code.
 * No stack, unless PHILAB_DEBUG is set.
 */
export function reportError(
  error: unknown,
  { stdout, stderr, env, json, called }: ErrorStreams,
): number {
  if (error instanceof CommanderError && error.exitCode === 0) return 0;
  const problem =
    error instanceof CommanderError ? fromCommander(error, called) : LabError.from(error);
  const colors = colorsFor(stderr, env);
  stderr.write(`${colors.red("philab:")} ${visibleText(problem.message)}\n`);
  const hint = problem.hint ?? (problem.code === "internal" ? INTERNAL_HINT : undefined);
  if (hint !== undefined) stderr.write(`${indent(visibleText(hint))}\n`);
  if (env["PHILAB_DEBUG"]) stderr.write(`${colors.dim(inspect(problem))}\n`);
  if (json) stdout.write(`${toJson({ error: problem })}\n`);
  return ERROR_STATUS[problem.code].exit;
}

const INTERNAL_HINT =
  "This is a bug in philab. PHILAB_DEBUG=1 shows where it happened; please report it with the command.";

/** `error: unknown option '--modle'⏎(Did you mean --model?)` as message and hint. */
function fromCommander(error: CommanderError, called: string): LabError {
  const [first = "", ...rest] = error.message.replace(/^error: /, "").split("\n");
  const suggestion = rest.join(" ").replace(/^\((.*)\)$/, "$1");
  const advice =
    error.code === "commander.excessArguments"
      ? `A text of several words stands in quotes. ${called} --help shows what it takes.`
      : `${called} --help shows what it takes.`;
  return new LabError("bad_input", first, { hint: suggestion === "" ? advice : suggestion });
}

function indent(text: string): string {
  return text.replace(/^/gm, "  ");
}
