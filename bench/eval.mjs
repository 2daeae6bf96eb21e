/**
 * Requests per second of an evaluation against lm-evaluation-harness with transformers: the same model, questions and threads, in
 * turn. Both compute in F32; the accuracies must be equal.
 *
 *     npm run build && python reference/lm_eval_speed.py /tmp/random --make --size 13m
 *     node bench/eval.mjs /tmp/random --data BENCHMARKS [--python .venv/bin/python] [--threads 2] [--rounds 1] [--limit 60]
 *
 * The last line is JSON.
 */
import { spawnSync } from "node:child_process";
import os from "node:os";
import path from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { loadSplit } from "../dist/evaluate/data/source.js";
import { TASKS } from "../dist/evaluate/groups.js";
import { LocalTarget } from "../dist/evaluate/local-target.js";
import { promptItems } from "../dist/evaluate/prompts.js";
import { LanguageModel } from "../dist/generate/language-model.js";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    data: { type: "string" },
    python: { type: "string", default: "python3" },
    threads: { type: "string", default: String(os.availableParallelism()) },
    rounds: { type: "string", default: "1" },
    limit: { type: "string", default: "60" },
    batch: { type: "string", default: "8" },
    tasks: { type: "string", default: "mmlu_philosophy:5,hellaswag:0" },
  },
});
const [directory] = positionals;
if (!directory || !values.data)
  throw new Error("usage: node bench/eval.mjs MODEL --data BENCHMARKS");
const threads = Number(values.threads);
const limit = Number(values.limit);
const script = fileURLToPath(new URL("../reference/lm_eval_speed.py", import.meta.url));

const harness = (task, shots) => {
  const options = [
    "--data",
    values.data,
    "--task",
    task,
    "--shots",
    shots,
    "--limit",
    limit,
    "--batch",
    values.batch,
    "--threads",
    threads,
  ];
  const { stdout, stderr, status } = spawnSync(
    values.python,
    [script, directory, ...options.map(String)],
    {
      encoding: "utf8",
      cwd: path.dirname(script),
      env: { ...process.env, HF_HUB_OFFLINE: "1", OMP_NUM_THREADS: String(threads) },
    },
  );
  if (status !== 0) throw new Error(stderr.slice(-2000));
  return JSON.parse(stdout.trim().split("\n").at(-1));
};

const philab = async (name, shots) => {
  const task = TASKS.find((known) => known.name === name);
  const options = { folder: values.data, dataFolder: "" };
  const { rows } = await loadSplit(task, task.split, options);
  const pool = shots > 0 ? (await loadSplit(task, task.fewShot.split, options)).rows : [];
  const model = await LanguageModel.open(directory, { mode: "reference", threads });
  const items = promptItems(task, { rows: rows.slice(0, limit), pool, shots });
  const requests = items.map(({ item, before }) => item.requests(before));
  const flat = requests.flat();
  const { signal } = new globalThis.AbortController();
  const target = new LocalTarget(model, directory);
  await (await target.plan(flat.slice(0, 4), { truncate: true })).units[0].run(signal); // what is done once
  const start = performance.now();
  const responses = [];
  for (const { indices, run } of (await target.plan(flat, { truncate: true })).units) {
    const found = await run(signal);
    indices.forEach((index, i) => (responses[index] = found[i]));
  }
  const seconds = (performance.now() - start) / 1000;
  let right = 0;
  items.forEach(({ item }, i) => {
    const first = requests.slice(0, i).reduce((sum, own) => sum + own.length, 0);
    right += item.score(responses.slice(first, first + requests[i].length))["acc,none"];
  });
  await model[Symbol.asyncDispose]();
  return { requests: flat.length, seconds, acc: right / items.length };
};

const median = (list) => [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)];
const report = {};
for (const [task, shots] of values.tasks.split(",").map((entry) => entry.split(":"))) {
  const rates = { harness: [], philab: [] };
  for (let round = 0; round < Number(values.rounds); round++) {
    const theirs = harness(task, shots);
    const ours = await philab(task, Number(shots));
    if (theirs.requests !== ours.requests || Math.abs(theirs.acc - ours.acc) > 1e-9)
      throw new Error(`${task}: different numbers: ${JSON.stringify({ theirs, ours })}`);
    rates.harness.push(theirs.requests / theirs.seconds);
    rates.philab.push(ours.requests / ours.seconds);
  }
  const [theirs, ours] = [median(rates.harness), median(rates.philab)];
  report[task] = { shots: Number(shots), harness: theirs, philab: ours, ratio: ours / theirs };
  console.log(
    `${task} (${shots} examples): ${ours.toFixed(1)} requests/s, harness ${theirs.toFixed(1)}, ${(ours / theirs).toFixed(2)}×`,
  );
}
console.log(JSON.stringify({ model: path.basename(directory), threads, limit, report }));
