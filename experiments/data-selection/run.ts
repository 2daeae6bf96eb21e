/**
 * The experiment, from the pool to the measurements. Killed at any moment, the same command goes on.
 *
 *     npm run build
 *     npx tsx experiments/data-selection/run.ts --out DIR --python-library LIB --python-docs SOURCES
 *
 * DIR gets everything: the pool's arms, a training run for each cell, and `results/`, which `report.ts` reads.
 * `--prepare` ends before the first training, `--runs 2` after the second; `--first raw-small-1,…` makes these runs before the others.
 */
import { access, mkdir, readdir, readFile, rm } from "node:fs/promises";
import path from "node:path";
import { parseArgs } from "node:util";
import { PyodideSandbox } from "philab/sandbox";
import { Job, pretrainJob, startTraining, type PretrainOptions } from "philab/train";
import { planRuns, SIZES, TRAINING, type RunPlan } from "./design.ts";
import { measure, type WrittenExercise } from "./measure.ts";
import { armFile, prepare, readJson, writeJson } from "./prepare.ts";

const { values } = parseArgs({
  options: {
    out: { type: "string" },
    "python-library": { type: "string" },
    "python-docs": { type: "string" },
    prepare: { type: "boolean", default: false },
    runs: { type: "string" },
    first: { type: "string", default: "" },
  },
});
const { out, "python-library": pythonLibrary, "python-docs": pythonDocs } = values;
if (out === undefined || pythonLibrary === undefined || pythonDocs === undefined)
  throw new Error("--out, --python-library and --python-docs are needed");

type Trained = Awaited<ReturnType<typeof startTraining>>;

const stop = new AbortController();
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => stop.abort());

const folder = path.resolve(out);
await mkdir(path.join(folder, "results"), { recursive: true });
await prepare(folder, { pythonLibrary, pythonDocs }, note);
const exercises = (await readJson<WrittenExercise[]>(path.join(folder, "exercises.json")))!;
const textbook = (await readJson<{ text: string }[]>(path.join(folder, "textbook.json")))!;

const first = values.first.split(",");
const isFirst = ({ name }: RunPlan): boolean => first.includes(name);
const planned = planRuns();
const ordered = [...planned.filter(isFirst), ...planned.filter((plan) => !isFirst(plan))];
const runs = values.prepare ? [] : ordered.slice(0, Number(values.runs ?? Infinity));
await using sandbox = await PyodideSandbox.open();
for (const [i, plan] of runs.entries()) {
  const resultFile = path.join(folder, "results", `${plan.name}.json`);
  if (await exists(resultFile)) continue;
  const startedMs = Date.now();
  const trained = await train(plan);
  if (trained === undefined) break;
  const { path: model, parameters, elapsedMs } = trained;
  const measured = await measure(model, { exercises, textbook, sandbox });
  await writeJson(resultFile, { ...plan, parameters, trainedMs: elapsedMs, ...measured });
  const passed = measured.exercises.filter((exercise) => exercise.passed).length;
  note(
    `${i + 1}/${runs.length} ${plan.name}: ${passed}/${exercises.length} pass, ${(Date.now() - startedMs) / 1000} s`,
  );
}

/** Trains the model of a cell, or goes on where an earlier attempt was stopped; undefined where this one is. */
async function train({ name, arm, size, seed, rateFactor }: RunPlan) {
  const runsFolder = path.join(folder, "training", name);
  const options: PretrainOptions = {
    data: [armFile(folder, arm, seed)],
    tokenizer: path.join(folder, "tokenizer"),
    size: "nano",
    ...SIZES[size],
    learningRate: SIZES[size].learningRate * rateFactor,
    ...TRAINING,
    ...{ saveSteps: 100, saveTotalLimit: 1, evalSteps: 100, seed, threads: 1, device: "cpu" },
  };
  const [existing] = await readdir(runsFolder).catch(() => [] as string[]);
  const job =
    existing === undefined
      ? await Job.create(pretrainJob(), {
          ...{ runsFolder, name, arguments: options, provenance: {} },
        })
      : await Job.resume(pretrainJob(), path.join(runsFolder, existing));
  // Trained, but stopped before it was measured.
  if (job.record.state === "done") return describe(job.record.result as unknown as Trained);
  const trained = await startTraining(job, { signal: stop.signal }).catch((error: unknown) => {
    if (!stop.signal.aborted) throw error;
    note(`${name} is stopped; the same command goes on with it`);
    return undefined;
  });
  if (trained === undefined) return undefined;
  // Only the model is needed from here on.
  for (const name of await readdir(job.folder))
    if (name.startsWith("checkpoint-")) await rm(path.join(job.folder, name), { recursive: true });
  return describe(trained);
}

async function describe(trained: Trained): Promise<Trained & { parameters: number }> {
  const bytes = (await readFile(path.join(trained.path, "model.safetensors"))).length;
  return { ...trained, parameters: Math.round(bytes / 4) };
}

async function exists(file: string): Promise<boolean> {
  return access(file).then(
    () => true,
    () => false,
  );
}

function note(text: string): void {
  console.log(`${new Date().toISOString().slice(11, 19)} ${text}`);
}
