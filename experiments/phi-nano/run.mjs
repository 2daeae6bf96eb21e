#!/usr/bin/env node
/**
 * phi-nano from nothing: corpora, training in two parts, evaluation. What is there already is not made again, and an interrupted training
 * goes on where it was.
 *
 *     npm run build
 *     node experiments/phi-nano/run.mjs --out DIR --functions functions.jsonl [--threads 2]
 *     node experiments/phi-nano/run.mjs --out DIR --functions functions.jsonl --check
 *
 * `--functions` names the held-out functions, which the corpus is kept free of. `--check` trains the first 100 steps only
 * and compares their losses with those of the first time (first-steps.json).
 */
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const here = path.dirname(fileURLToPath(import.meta.url));
const root = path.join(here, "..", "..");
const { values } = parseArgs({
  options: {
    out: { type: "string" },
    functions: { type: "string" },
    tasks: { type: "string", default: path.join(root, "test/fixtures/phi-micro-eval.jsonl") },
    threads: { type: "string", default: "1" },
    check: { type: "boolean", default: false },
  },
});
if (values.out === undefined || values.functions === undefined) {
  console.error("give --out, a folder, and --functions, a file");
  process.exit(2);
}
const out = path.resolve(values.out);
const home = path.join(out, "home");
const heldOut = `${path.resolve(values.functions)},${values.tasks}`;

function node(script, ...argv) {
  const env = { ...process.env, PHILAB_HOME: home, PHILAB_THREADS: values.threads };
  const { status } = spawnSync(process.execPath, [script, ...argv], { stdio: "inherit", env });
  if (status !== 0) process.exit(status ?? 1);
}
const philab = (...argv) => node(path.join(root, "dist/cli/main.js"), ...argv);

const corpus = path.join(out, "corpus");
const tokenizer = path.join(corpus, "tokenizer");
const corpus2 = path.join(out, "corpus2");
function write(folder, ...more) {
  if (existsSync(path.join(folder, "corpus.json"))) return;
  node(path.join(here, "corpus.mjs"), "--out", folder, "--held-out", heldOut, ...more);
}
write(corpus);

/** The folder of a run by its name. */
function runOf(name) {
  const runs = path.join(home, "runs");
  const found = existsSync(runs)
    ? readdirSync(runs).find((run) => run.endsWith(`-${name}`))
    : undefined;
  return found && path.join(runs, found);
}

/** Trains, or goes on; not where the model is there already. */
function train(name, { config, data, more }) {
  const model = path.join(out, name);
  if (existsSync(model)) return model;
  const run = runOf(name);
  if (run !== undefined) philab("runs", "resume", path.basename(run));
  else
    philab(
      ...["train", "--config", path.join(here, config), "--run-name", name, "--out", model],
      ...["--data", path.join(data, "corpus.jsonl")],
      ...["--eval-data", path.join(data, "validation.jsonl"), "--threads", values.threads, ...more],
    );
  return model;
}
const first = { config: "recipe.yaml", data: corpus, more: ["--tokenizer", tokenizer] };

if (values.check) {
  train("check", { ...first, more: [...first.more, "--max-steps", "100"] });
  const expected = JSON.parse(readFileSync(path.join(here, "first-steps.json"), "utf8")).losses;
  const found = readFileSync(path.join(runOf("check"), "metrics.jsonl"), "utf8")
    .trim()
    .split("\n")
    .flatMap((line) => JSON.parse(line).loss ?? []);
  const differences = expected.map((loss, i) => Math.abs(loss - found[i]));
  const equal = differences.filter((difference) => difference === 0).length;
  console.log(
    `${equal} of ${expected.length} losses are the same to the bit; the largest difference is ${Math.max(...differences)}`,
  );
  process.exit(equal === expected.length ? 0 : 3);
}
const firstModel = train("phi-nano-first", first);
write(corpus2, "--part", "second", "--tokenizer", tokenizer);
train("phi-nano", { config: "second.yaml", data: corpus2, more: ["--init-from", firstModel] });
node(
  path.join(here, "evaluate.mjs"),
  ...["--model", path.join(out, "phi-nano"), "--tasks", values.tasks],
  ...["--functions", path.resolve(values.functions)],
);
