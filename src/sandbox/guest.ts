/**
 * What runs inside the child process: Python in WebAssembly (Pyodide). It reads a program per line of standard input and
 * answers with a line.
 *
 * The function is sent to the child as text, so it uses nothing from outside itself. This file is no boundary: Python can
 * reach JavaScript by more ways than can be closed. The boundary is around the process (`isolation.ts`). What is closed
 * here keeps honest programs honest: no host objects, no files that outlive a program, no memory beyond the limit.
 */

interface Pyodide {
  version: string;
  runPython(code: string): unknown;
  unregisterJsModule(name: string): void;
  makeMemorySnapshot(): Uint8Array;
  globals: { get(name: string): unknown };
  _module: {
    HEAPU8: Uint8Array;
    FS: Record<string, unknown> & { ErrnoError: new (code: number) => Error };
  };
}

/** Part of WebAssembly's interface, which Node's types leave out. */
interface Memory {
  readonly buffer: ArrayBuffer;
  grow: (this: Memory, pages: number) => number;
}

export interface GuestSettings {
  pyodideUrl: string;
  memoryBytes: number;
  maxOutput: number;
}

/** A line to the child; before the first one comes the snapshot of another child (base64 of gzip), or an empty line. */
export interface GuestRequest {
  program: string;
}

/** A line from the child; the first says that it is ready, each later one answers a request. */
export type GuestReply =
  | { ready: string; snapshot: string | null }
  | { error: string | null; kind: string | null; output: string; elapsedMs: number };

/** @param load - `import`, which differs between compilers */
export async function guest(
  { pyodideUrl, memoryBytes, maxOutput }: GuestSettings,
  load: (specifier: string) => Promise<unknown>,
): Promise<void> {
  const { process } = globalThis;
  const { WebAssembly } = globalThis as unknown as {
    WebAssembly: { Memory: { prototype: Memory } };
  };
  const { createInterface } = (await load("node:readline")) as typeof import("node:readline");
  const { gunzipSync, gzipSync } = (await load("node:zlib")) as typeof import("node:zlib");
  const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
  const { value: given = "" } = (await lines.next()) as { value?: string };
  const send = (reply: GuestReply): boolean => process.stdout.write(`${JSON.stringify(reply)}\n`);

  // Pyodide looks at constants through this; Node's permission model refuses it as a whole.
  Object.assign(process, { binding: () => ({ fs: {} }) });

  const pageBytes = 65_536;
  const memoryType = WebAssembly.Memory.prototype;
  const grow = memoryType.grow;
  memoryType.grow = function (pages): number {
    if (this.buffer.byteLength + pages * pageBytes > memoryBytes)
      throw new RangeError("memory limit");
    return grow.call(this, pages);
  };

  let output = "";
  const print = (text: string): void => {
    if (output.length < maxOutput) output = `${output}${text}\n`.slice(0, maxOutput);
  };
  const { loadPyodide } = (await load(pyodideUrl)) as {
    loadPyodide: (options: object) => Promise<Pyodide>;
  };
  const pyodide = await loadPyodide({
    jsglobals: Object.create(null) as object,
    env: { HOME: "/home/pyodide" },
    stdin: () => undefined,
    stdout: print,
    stderr: print,
    ...(given === ""
      ? { _makeSnapshot: true }
      : { _loadSnapshot: new Uint8Array(gunzipSync(Buffer.from(given, "base64"))) }),
  });
  if (given === "")
    pyodide.runPython(`
# Imported once instead of by every program.
import bisect, cmath, collections, copy, datetime, decimal, fractions, functools, hashlib, heapq, itertools
import json, math, operator, os, random, re, statistics, string, sys, time, typing
`);
  const snapshot =
    given === "" ? gzipSync(pyodide.makeMemorySnapshot(), { level: 1 }).toString("base64") : null;
  pyodide.runPython(`
def _run(source):
    import builtins, sys
    module = type(sys)("__main__")
    module.__builtins__ = builtins
    sys.modules["__main__"] = module
    try:
        exec(compile(source, "<program>", "exec"), module.__dict__)
        return None
    except BaseException as error:
        try:
            return type(error).__name__ + "\\n" + str(error)[:2000]
        except BaseException:
            return type(error).__name__ + "\\n"
    finally:
        try:
            sys.stdout.flush(); sys.stderr.flush()
        except BaseException:
            pass
`);
  const run = pyodide.globals.get("_run") as (program: string) => string | undefined;
  pyodide.unregisterJsModule("js");
  pyodide.unregisterJsModule("pyodide_js");
  pyodide.runPython(`
for _name in [name for name in sys.modules if name.split(".")[0] in ("js", "pyodide_js", "pyodide", "_pyodide", "_pyodide_core")]:
    del sys.modules[_name]
for _name in ("js", "pyodide_js", "pyodide", "_pyodide", "_pyodide_core"):
    sys.modules[_name] = None  # importing it raises ModuleNotFoundError
del _name
`);

  // The file system in memory outlives a program, so nothing may change it.
  const { FS } = pyodide._module;
  const readOnlyFileSystem = 69;
  const refuse = (): never => {
    throw new FS.ErrnoError(readOnlyFileSystem);
  };
  const open = FS["open"] as (path: unknown, flags: unknown, mode: unknown) => unknown;
  const writes = 0o1 | 0o2 | 0o100 | 0o1000 | 0o2000; // O_WRONLY, O_RDWR, O_CREAT, O_TRUNC, O_APPEND
  FS["open"] = (path: unknown, flags: unknown, mode: unknown): unknown =>
    (typeof flags === "number" ? flags & writes : flags !== undefined && flags !== "r") === 0 ||
    flags === undefined ||
    flags === "r"
      ? open.call(FS, path, flags, mode)
      : refuse();
  for (const name of [
    ...["mknod", "mkdir", "mkdirTree", "mkdev", "create", "symlink", "rename", "rmdir", "unlink"],
    ...["chmod", "lchmod", "fchmod", "chown", "lchown", "fchown", "truncate", "ftruncate", "utime"],
    ...["writeFile", "createDevice", "mount", "unmount", "chdir"],
  ])
    if (typeof FS[name] === "function") FS[name] = refuse;

  // Each program meets the memory as it is now, so that none can prepare anything for the next.
  const fresh = pyodide._module.HEAPU8.slice();
  send({ ready: pyodide.version, snapshot });
  for (;;) {
    const { value: line } = (await lines.next()) as { value?: string };
    if (line === undefined) return;
    const { program } = JSON.parse(line) as GuestRequest;
    output = "";
    const startMs = performance.now();
    const failure = run(program) ?? null; // what Pyodide itself cannot survive ends the process
    const elapsedMs = performance.now() - startMs;
    const memory = pyodide._module.HEAPU8;
    memory.set(fresh);
    memory.fill(0, fresh.length);
    const split = failure?.indexOf("\n") ?? -1;
    const [kind, message] =
      failure === null ? [null, null] : [failure.slice(0, split), failure.slice(split + 1)];
    const error = kind === null ? null : message === "" ? kind : `${kind}: ${message}`;
    send({ kind, error, output, elapsedMs });
  }
}
