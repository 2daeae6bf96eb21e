/** The built program, for tests of what only a process of its own can show: signals, pipes, exit codes. */
import { spawn, spawnSync, type ChildProcess, type ChildProcessByStdio } from "node:child_process";
import { readdirSync, statSync } from "node:fs";
import path from "node:path";
import type { Readable, Writable } from "node:stream";
import { PACKAGE_ROOT } from "../../src/base/package.ts";

export const MAIN = path.join(PACKAGE_ROOT, "dist", "cli", "main.js");

/** Compiles where a source is newer than what was compiled last. */
export function build(): void {
  const program = newestSource("src");
  const pages = Math.max(newestSource("studio"), newestSource("src/report"));
  const isFresh = (): boolean =>
    changedAt(path.join(PACKAGE_ROOT, "dist", ".tsbuildinfo")) >= program &&
    changedAt(path.join(PACKAGE_ROOT, "dist", "studio", "index.html")) >= pages;
  if (isFresh()) return;
  // Types are checked by `npm run types`: what compiles in spite of an error can be run.
  const { stdout } = spawnSync("npm", ["run", "build"], {
    cwd: PACKAGE_ROOT,
    encoding: "utf8",
    shell: process.platform === "win32",
  });
  if (!isFresh()) throw new Error(`the build failed:\n${stdout}`);
}

function newestSource(folder: string): number {
  const source = path.join(PACKAGE_ROOT, folder);
  return Math.max(
    ...readdirSync(source, { recursive: true, encoding: "utf8" })
      .filter(
        (name) =>
          !name.startsWith("node_modules") &&
          /\.(ts|svelte|css|html|svg)$/.test(name) &&
          !name.endsWith(".test.ts"),
      )
      .map((name) => changedAt(path.join(source, name))),
  );
}

function changedAt(file: string): number {
  return statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0;
}

export interface Ended {
  code: number | null;
  signal: NodeJS.Signals | null;
  out: string;
  err: string;
}

export interface Started {
  child: ChildProcess;
  ended: Promise<Ended>;
}

/** Starts `philab ...argv` with one thread; stdin is empty, or with `pipe` open and silent. */
export function start(
  argv: readonly string[],
  { cwd, stdin = "ignore" }: { cwd: string; stdin?: "ignore" | "pipe" },
): Started {
  const child = spawn(process.execPath, [MAIN, ...argv], {
    cwd,
    env: { PATH: process.env["PATH"], PHILAB_HOME: cwd, PHILAB_THREADS: "1" },
    stdio: [stdin, "pipe", "pipe"],
  }) as ChildProcessByStdio<Writable | null, Readable, Readable>;
  let [out, err] = ["", ""];
  child.stdout.setEncoding("utf8").on("data", (text: string) => (out += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (err += text));
  const ended = new Promise<Ended>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code, signal) => resolve({ code, signal, out, err }));
  });
  return { child, ended };
}
