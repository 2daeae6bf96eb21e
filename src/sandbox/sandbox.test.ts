/** Programs that nobody should run, and what becomes of them. */
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { hasBubblewrap } from "./isolation.ts";
import { PyodideSandbox } from "./pyodide.ts";
import { SystemPythonSandbox } from "./system-python.ts";
import type { PythonSandbox } from "./types.ts";

const MEMORY_BYTES = 256 * 2 ** 20;

let folder: string;
let server: Server;
let port: number;
let calls = 0;

beforeAll(async () => {
  folder = mkdtempSync(path.join(tmpdir(), "philab-sandbox-"));
  server = createServer((socket) => {
    calls++;
    socket.destroy();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  port = typeof address === "object" && address !== null ? address.port : 0;
});
afterAll(() => {
  server.close();
  rmSync(folder, { recursive: true });
});

const kinds: [name: string, open: () => Promise<PythonSandbox>][] = [
  ["Pyodide", () => PyodideSandbox.open({ memoryBytes: MEMORY_BYTES })],
];
if (hasBubblewrap())
  kinds.push([
    "the system's Python",
    () => SystemPythonSandbox.open({ memoryBytes: MEMORY_BYTES }),
  ]);

describe.each(kinds)("%s", (_, open) => {
  let sandbox: PythonSandbox;
  beforeAll(async () => {
    sandbox = await open();
  });
  afterAll(() => sandbox[Symbol.asyncDispose]());

  it("runs a program to its end and keeps what it printed", async () => {
    const outcome = await sandbox.run("print('sum', 1 + 2)");
    expect(outcome).toMatchObject({ status: "passed", output: "sum 3\n" });
    expect(outcome.error).toBeUndefined();
  });

  it("says why a program failed", async () => {
    const run = async (program: string): Promise<string | undefined> => {
      const { status, error } = await sandbox.run(program);
      expect(status).toBe("failed");
      return error;
    };
    expect(await run("assert 1 == 2, 'one is not two'")).toBe("AssertionError: one is not two");
    expect(await run("def f(:")).toMatch(/^SyntaxError/);
    expect(await run("raise KeyError('x')")).toBe("KeyError: 'x'");
    expect(await run("def f(): return f()\nf()")).toMatch(/^RecursionError/);
    expect(await run("input()")).toMatch(/^EOFError/);
  });

  it("takes a program that leaves early for one that did not pass", async () => {
    for (const program of ["import sys; sys.exit(0)", "import os; os._exit(0)"])
      expect((await sandbox.run(program)).status).toMatch(/^(failed|crashed)$/);
  });

  it.each([
    ["a loop", "while True: pass"],
    [
      "a loop that nothing interrupts",
      "while True:\n  try:\n    while True: pass\n  except BaseException: pass",
    ],
    ["sleep", "import time\ntime.sleep(1000)"],
    ["one long computation", "10 ** 10 ** 9"],
  ])("stops %s at the time limit, and goes on with the next program", async (_name, program) => {
    const { status, error } = await sandbox.run(program, { timeoutMs: 300 });
    expect({ status, error }).toEqual({ status: "timed_out", error: "stopped after 300 ms" });
    expect((await sandbox.run("assert True")).status).toBe("passed");
  });

  it.each([
    ["many pieces", "x = []\nwhile True: x.append(bytearray(10 ** 7))"],
    ["one piece", "x = bytearray(10 ** 9)"],
  ])("refuses memory beyond the limit: %s", async (_name, program) => {
    expect((await sandbox.run(program)).status).toBe("out_of_memory");
    expect((await sandbox.run("assert True")).status).toBe("passed");
  });

  it("survives a program that breaks the interpreter", async () => {
    const deep =
      "import sys\nsys.setrecursionlimit(10 ** 9)\nx = []\nfor i in range(10 ** 6): x = [x]\nrepr(x)";
    expect((await sandbox.run(deep)).status).not.toBe("passed");
    expect((await sandbox.run("assert True")).status).toBe("passed");
  });

  it.each([
    ["forks", "import os\nos.fork()"],
    ["forks and forks", "import os\nwhile True: os.fork()"],
    ["starts a process", "import subprocess\nsubprocess.run(['touch', TARGET], check=True)"],
    ["starts a shell", "import os\nassert os.system('touch ' + TARGET) == 0"],
    ["writes a file", "open(TARGET, 'w').write('x')"],
    ["appends to a file", "open('/tmp/x', 'a').write('x')"],
    ["makes a folder", "import os\nos.mkdir('/usr/x')"],
    ["removes a file", "import os\nos.remove(os.__file__)"],
    ["reads the machine's files", "print(open('/etc/passwd').read())"],
    ["reads the environment", "import os\nprint(os.environ['PATH'] + os.environ['NODE_ENV'])"],
    [
      "opens a connection",
      "import socket\ns = socket.create_connection(('127.0.0.1', PORT), timeout=1)\ns.sendall(b'x')\nassert s.recv(1)",
    ],
    [
      "asks a server",
      "import urllib.request\nurllib.request.urlopen('http://127.0.0.1:' + str(PORT), timeout=1)",
    ],
  ])("contains and reports a program that %s", async (_name, program) => {
    const target = path.join(folder, "written");
    const names = `TARGET = ${JSON.stringify(target)}\nPORT = ${port}\n`;
    const outcome = await sandbox.run(names + program, { timeoutMs: 2_000 });
    expect(outcome.status).toMatch(/^(failed|crashed|timed_out)$/);
    expect(outcome.error).toMatch(/\w/);
    expect(existsSync(target)).toBe(false);
    expect(calls).toBe(0);
    expect((await sandbox.run("assert True")).status).toBe("passed");
  });

  it("gives each program a fresh interpreter", async () => {
    await sandbox.run("import builtins, math\nbuiltins.len = lambda x: 7\nmath.pi = 3\nleft = 1");
    const check = "import math\nassert len([]) == 0 and math.pi > 3.1 and 'left' not in globals()";
    expect((await sandbox.run(check)).status).toBe("passed");
  });

  it("stops when it is told to", async () => {
    const stop = new AbortController();
    const running = sandbox.run("while True: pass", { signal: stop.signal, timeoutMs: 60_000 });
    setTimeout(() => stop.abort(), 100);
    await expect(running).rejects.toMatchObject({ code: "interrupted" });
    expect((await sandbox.run("assert True")).status).toBe("passed");
  });

  it("stops at any moment of its beginning", async () => {
    for (const afterMs of [0, 1, 2, 4, 8, 16, 32]) {
      const stop = new AbortController();
      const running = sandbox.run("while True: pass", { signal: stop.signal, timeoutMs: 60_000 });
      setTimeout(() => stop.abort(), afterMs);
      await expect(running).rejects.toMatchObject({ code: "interrupted" });
    }
  });
});

describe("the way from Python to JavaScript", () => {
  let sandbox: PythonSandbox;
  beforeAll(async () => {
    sandbox = await PyodideSandbox.open();
  });
  afterAll(() => sandbox[Symbol.asyncDispose]());

  it.each([
    ["js", "import js\njs.process.exit()"],
    ["js by importlib", "import importlib\nimportlib.import_module('js').process.exit()"],
    ["pyodide_js", 'import pyodide_js\npyodide_js.FS.open.constructor("return process.pid")()'],
    ["run_js", "from pyodide.code import run_js\nrun_js('process.exit()')"],
    ["the core module", "import _pyodide_core\n_pyodide_core.run_js('1')"],
    [
      "anything that is alive",
      `import gc
found = [x for x in gc.get_objects() if type(x).__name__.startswith("JsProxy")]
found[0].constructor.constructor("return process")().exit()`,
    ],
  ])("is closed: %s", async (_name, program) => {
    const outcome = await sandbox.run(program);
    expect(outcome.status).toBe("failed");
    expect(outcome.error).toMatch(/^(ModuleNotFoundError|ImportError|IndexError)/);
  });

  it("leads nowhere for one who finds it: no environment, files, processes", async () => {
    // os.system is JavaScript's child_process underneath: the permission flags end it.
    const outcome = await sandbox.run("import os\nos.system('ls')");
    expect(outcome.status).toBe("crashed");
    expect(outcome.error).toMatch(/restricted/);
    expect(sandbox.layers.length).toBeGreaterThanOrEqual(3);
  });
});

describe("several processes", () => {
  it("run beside each other, and none is lost", async () => {
    await using sandbox = await PyodideSandbox.open({ processes: 2 });
    const programs = Array.from({ length: 12 }, (_, i) =>
      i % 4 === 3 ? "while True: pass" : `assert ${i} % 4 != 1`,
    );
    const outcomes = await Promise.all(
      programs.map((program) => sandbox.run(program, { timeoutMs: 500 })),
    );
    const expected = programs.map((_, i) => ["passed", "failed", "passed", "timed_out"][i % 4]);
    expect(outcomes.map(({ status }) => status)).toEqual(expected);
  });
});
