#!/usr/bin/env node
/** The process around `runProgram`: streams, signals, exit code. Loads as little as it can before the command is known. */
import { constants } from "node:os";
import { LabError } from "../base/errors.ts";
import { packageVersion } from "../base/package.ts";

const argv = process.argv.slice(2);

if (argv.length === 1 && (argv[0] === "--version" || argv[0] === "-V"))
  process.stdout.write(`${packageVersion()}\n`);
else await main();

async function main(): Promise<void> {
  const [{ runProgram }, { OUTPUT_CLOSED, reportError }] = await Promise.all([
    import("./program.ts"),
    import("./errors.ts"),
  ]);
  const { stdout, stderr, env } = process;
  const controller = new AbortController();
  let received: NodeJS.Signals | undefined;

  // The first signal asks the command to stop and to leave its work resumable; the second ends the process at once.
  for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
    process.on(name, () => {
      if (received !== undefined) {
        process.removeAllListeners(name);
        process.kill(process.pid, name);
        return;
      }
      received = name;
      controller.abort(new LabError("interrupted", "interrupted"));
    });

  // `philab … | head`: the reader has gone, so stop and say nothing.
  for (const stream of [stdout, stderr])
    stream.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code !== "EPIPE") throw error;
      controller.abort(OUTPUT_CLOSED);
    });

  process.on("uncaughtException", (error) => {
    process.exit(reportError(error, { stdout, stderr, env, json: false, called: "philab" }));
  });

  const { signal } = controller;
  const exitCode = await runProgram(argv, {
    stdout,
    stderr,
    // Opened only by a command that reads it.
    get stdin() {
      return process.stdin;
    },
    env,
    cwd: process.cwd(),
    signal,
  });
  await Promise.all([stdout, stderr].map(flushed));
  if (signal.reason === OUTPUT_CLOSED) process.exit(0);
  process.exit(received === undefined ? exitCode : 128 + constants.signals[received]);
}

function flushed(stream: NodeJS.WriteStream): Promise<void> {
  return new Promise((resolve) => {
    if (stream.destroyed || !stream.writable) resolve();
    else stream.write("", () => resolve());
  });
}
