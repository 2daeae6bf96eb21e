/**
 * Python programs that nobody has read yet: run where they can do no harm.
 *
 * @module philab/sandbox
 */
export { passAtK } from "./pass-at-k.ts";
export { PyodideSandbox } from "./pyodide.ts";
export { SystemPythonSandbox } from "./system-python.ts";
export {
  DEFAULT_LIMITS,
  type ProgramOutcome,
  type ProgramStatus,
  type PythonSandbox,
  type SandboxLimits,
} from "./types.ts";
