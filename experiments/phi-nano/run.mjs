#!/usr/bin/env node
/**
 * phi-nano from nothing: corpora, three phases of training, evaluation. What is there already is not made again, and an
 * interrupted phase goes on where it was.
 *
 *     npm run build
 *     node experiments/phi-nano/run.mjs --out DIR --functions functions.jsonl [--threads 2]
 *     node experiments/phi-nano/run.mjs --out DIR --functions functions.jsonl --check
 *
 * `--functions` names the held-out functions, which the corpora are kept free of. `--check` trains the first 100 steps only
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

const CORPORA = {
  "corpus-1": ["--seed", "1", "--characters", "26000000"],
  "corpus-2": [
    ...["--seed", "2", "--characters", "14000000", "--vocabulary", "0", "--shares"],
    "functions:34,families:17,compositions:20,instructions:2,arithmetic:8,facts:2,chat:2,people:5,agreement:0.5,stories:1.5,repeats:8",
  ],
};
const PHASES = [
  {
    name: "phase-1",
    corpus: "corpus-1",
    from: ["--tokenizer", path.join(out, "corpus-1", "tokenizer")],
  },
  { name: "phase-2", corpus: "corpus-2", from: ["--init-from", path.join(out, "phase-1")] },
  { name: "phase-3", corpus: "corpus-2", from: ["--init-from", path.join(out, "phase-2")] },
];

function node(script, ...argv) {
  const env = { ...process.env, PHILAB_HOME: home, PHILAB_THREADS: values.threads };
  const { status } = spawnSync(process.execPath, [script, ...argv], { stdio: "inherit", env });
  if (status !== 0) process.exit(status ?? 1);
}
const philab = (...argv) => node(path.join(root, "dist/cli/main.js"), ...argv);

function corpus(name) {
  const folder = path.join(out, name);
  if (!existsSync(path.join(folder, "corpus.json")))
    node(path.join(here, "corpus.mjs"), "--out", folder, "--held-out", heldOut, ...CORPORA[name]);
  return folder;
}

/** The folder of a run by its name. */
function runOf(name) {
  const runs = path.join(home, "runs");
  const found = existsSync(runs)
    ? readdirSync(runs).find((run) => run.endsWith(`-${name}`))
    : undefined;
  return found && path.join(runs, found);
}

function train({ name, corpus: data, from }, ...more) {
  const folder = corpus(data);
  const model = path.join(out, name);
  if (existsSync(model)) return;
  if (runOf(name) !== undefined) return philab("runs", "resume", path.basename(runOf(name)));
  const texts = ["corpus", "validation"].map((file) => path.join(folder, `${file}.jsonl`));
  philab(
    ...[
      "train",
      "--config",
      path.join(here, `${name.replace("check", "phase-1")}.yaml`),
      "--run-name",
      name,
    ],
    ...["--data", texts[0], "--eval-data", texts[1], "--out", model, "--threads", values.threads],
    ...[...from, ...more],
  );
}

if (values.check) {
  train({ ...PHASES[0], name: "check" }, "--max-steps", "100");
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
for (const phase of PHASES) train(phase);
node(
  path.join(here, "evaluate.mjs"),
  ...[
    "--model",
    path.join(out, "phase-3"),
    "--tasks",
    values.tasks,
    "--functions",
    path.resolve(values.functions),
  ],
);
