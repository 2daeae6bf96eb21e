/** What running a document says about it: a program that tests itself keeps its word or does not. */
import type { PythonSandbox } from "../../sandbox/index.ts";

/**
 * - `verified`: a Python program with assertions, all of which hold
 * - `failed`: one that raised, an assertion among them, or reached a limit
 * - `untested`: a program without assertions
 * - `prose`: no Python program
 */
export type Execution = "verified" | "failed" | "untested" | "prose";

/** Runs a document in the sandbox. Nothing that it does can be taken for a verdict but its own end. */
export async function execute(
  sandbox: PythonSandbox,
  text: string,
  { timeoutMs, signal }: { timeoutMs?: number; signal?: AbortSignal | undefined } = {},
): Promise<Execution> {
  const options = {
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
    ...(signal === undefined ? {} : { signal }),
  };
  const looked = await sandbox.run(lookAt(text), options);
  if (looked.status === "passed") return looked.output.trim() as "untested" | "prose";
  if (!looked.error?.includes(HAS_TESTS)) return "failed";
  const { status } = await sandbox.run(`__name__ = "document"\n${text}`, options);
  return status === "passed" ? "verified" : "failed";
}

const HAS_TESTS = "the document has tests";

/** Parses and prints what it is; raises `HAS_TESTS` where there is something to run. */
function lookAt(text: string): string {
  return `
import ast
try:
    tree = ast.parse(${pythonString(text)})
except (SyntaxError, ValueError, RecursionError, MemoryError):
    print("prose")
else:
    if any(isinstance(node, ast.Assert) for node in ast.walk(tree)):
        raise RuntimeError("${HAS_TESTS}")
    print("untested")
`;
}

/** An expression for a text: a JSON text in ASCII, which is a Python literal too, read by Python's own JSON. */
function pythonString(text: string): string {
  return `__import__("json").loads(${JSON.stringify(JSON.stringify(text))})`;
}
