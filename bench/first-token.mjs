#!/usr/bin/env node
/**
 * How long a person waits for the first words: from starting `node dist/cli/main.js run` to the first byte on stdout, with the
 * bundled model and default settings. Beside it what a bare `node` takes.
 *
 *   npm run build && node bench/first-token.mjs [--rounds 5]
 */
import { spawn } from "node:child_process";
import os from "node:os";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const { values } = parseArgs({ options: { rounds: { type: "string", default: "5" } } });
const rounds = Number(values.rounds);
const main = fileURLToPath(new URL("../dist/cli/main.js", import.meta.url));

const { PHILAB_THREADS, PHILAB_MODEL, ...env } = process.env;
if (PHILAB_THREADS ?? PHILAB_MODEL)
  console.error("PHILAB_THREADS and PHILAB_MODEL are left out of the measurement");

/** Milliseconds from the start of a process to its first byte of output. */
function firstByte(args) {
  return new Promise((resolve, reject) => {
    const started = performance.now();
    let first;
    const child = spawn(process.execPath, args, { env, stdio: ["ignore", "pipe", "inherit"] });
    child.stdout.once("data", () => (first = performance.now() - started));
    child.once("error", reject);
    child.once("close", (code) => {
      if (code === 0 && first !== undefined) resolve(first);
      else reject(new Error(`${args.join(" ")} ended with ${code}`));
    });
  });
}

const subjects = {
  "philab run": [main, "run", "-n", "8", "def add_numbers(a, b):"],
  "philab --version": [main, "--version"],
  node: ["-e", "console.log(1)"],
};
const times = Object.fromEntries(Object.keys(subjects).map((name) => [name, []]));
for (let round = 0; round < rounds; round++)
  for (const [name, args] of Object.entries(subjects)) times[name].push(await firstByte(args));

const median = (list) => [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)];
console.log(
  `${os.cpus()[0]?.model.trim()}, ${os.availableParallelism()} cores, Node ${process.version}`,
);
for (const [name, list] of Object.entries(times))
  console.log(
    `${name.padEnd(16)}  median ${median(list).toFixed(0).padStart(4)} ms  (${list.map((ms) => ms.toFixed(0)).join(" ")})`,
  );
