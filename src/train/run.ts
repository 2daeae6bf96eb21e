/** A training run as a job: prepares, says what it will take, trains, and leaves a report however it ends. */
import { access, constants, lstat, mkdir } from "node:fs/promises";
import path from "node:path";
import { LabError } from "../base/errors.ts";
import type { Job, JobContext } from "../jobs/job.ts";
import type { LoadProgress } from "./data/load.ts";
import { runEvents } from "../jobs/runs.ts";
import { totalSteps, TrainingLoop, type Trained, type Training } from "./loop.ts";

import type { LoopOptions } from "./options.ts";
import { assertDisk, type TrainingPlan } from "./plan.ts";
import { writeTrainingReport } from "./report.ts";
import type { TrainingObserver } from "./run-log.ts";

export type { Trained };

/** What a recipe has made ready; it owns model and backend. */
export interface Prepared extends Disposable {
  training: Omit<Training, "out">;
  /** Of the loop, with what a recipe chose itself. */
  options: LoopOptions & { seed: number };
  /** Where the result goes; `model` in the run's folder where undefined. */
  out: string | undefined;
  /** About model and data, for people. */
  facts: readonly (readonly [name: string, value: string])[];
  warnings: readonly string[];
  /** Of the whole model. */
  parameters: number;
  /** Of weights, gradients and optimiser. */
  stateBytes: number;
  tokensPerBatch: number;
  provenance: Parameters<JobContext<unknown>["describe"]>[0];
}

/** Who watches in the same process. */
export interface RunObserver extends TrainingObserver {
  onReading?: (progress: LoadProgress) => void;
  /** Called before the first step; of a run that goes on without a plan. */
  onStart?: (start: {
    facts: Prepared["facts"];
    warnings: readonly string[];
    steps: number;
    /** Steps that earlier attempts did. */
    done: number;
    plan: TrainingPlan | undefined;
  }) => void;
}

/** The options with the files of `keys` as absolute paths: a run may go on from another directory. */
export function withAbsolutePaths<T extends object>(options: T, keys: readonly (keyof T)[]): T {
  const absolute: Partial<T> = {};
  for (const key of keys) {
    const value: unknown = options[key];
    if (typeof value === "string") absolute[key] = path.resolve(value) as T[keyof T];
    if (Array.isArray(value))
      absolute[key] = value.map((file: string) => path.resolve(file)) as T[keyof T];
  }
  return { ...options, ...absolute };
}

/** The work of a job, for every recipe. */
export async function runTraining(
  context: JobContext<unknown>,
  prepare: (folder: string) => Promise<Prepared>,
  observer: RunObserver,
): Promise<Trained> {
  const { folder, attempt, signal } = context;
  using prepared = await prepare(folder);
  await context.describe(prepared.provenance);
  const { facts, warnings, options } = prepared;
  const out = prepared.out ?? path.join(folder, "model");
  const training = { ...prepared.training, out };
  using loop = new TrainingLoop(training, options, context, observer);
  const steps = totalSteps(training.train, options);
  const done = attempt === 1 ? 0 : await loop.restore();
  const diskBytes = (options.saveTotalLimit + 2) * loop.checkpointBytes;
  let plan: TrainingPlan | undefined;
  if (done === 0) {
    await assertTarget(out, folder);
    await assertDisk(folder, diskBytes);
    plan = planOf(prepared, { ...(await loop.measure(signal)), steps, diskBytes });
    await context.describe({ plan: { ...plan } });
  }
  observer.onStart?.({ facts, warnings, steps, done, plan });
  for (const message of warnings) context.emit({ message });
  // Awaited here: what it uses is freed when this function returns.
  return await loop.run();
}

/** Makes sure, before hours of work, that the result can be written. */
async function assertTarget(out: string, folder: string): Promise<void> {
  const parent = path.dirname(out);
  if (parent === folder) return;
  const isThere = await lstat(out).then(
    () => true,
    () => false,
  );
  if (isThere)
    throw new LabError("bad_input", `${out} exists already`, {
      hint: "Name another directory (--out).",
    });
  try {
    await mkdir(parent, { recursive: true });
    await access(parent, constants.W_OK);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "EEXIST" || code === "ENOTDIR")
      throw new LabError("bad_input", `${parent} is no directory`, { cause: error });
    throw LabError.from(error);
  }
}

function planOf(
  { training, options, parameters, stateBytes, tokensPerBatch }: Prepared,
  known: Pick<TrainingPlan, "steps" | "diskBytes" | "stepMs" | "batchBytes">,
): TrainingPlan {
  const { gradientAccumulationSteps } = options;
  const trained = [...training.trainee.parameters.values()];
  return {
    ...known,
    parameters,
    trained: trained.reduce((sum, { size }) => sum + size, 0),
    epochs: (known.steps * gradientAccumulationSteps) / training.train.batchesPerEpoch,
    tokensPerStep: tokensPerBatch * gradientAccumulationSteps,
    stateBytes,
  };
}

/** Starts a job of training and writes its report when it has ended, whichever way. */
export async function startTraining(
  job: Job<Trained>,
  { signal }: { signal?: AbortSignal },
): Promise<Trained> {
  try {
    return await job.start(signal === undefined ? {} : { signal });
  } finally {
    const notes: string[] = [];
    for await (const { message, metrics } of runEvents(job.folder))
      if (message !== undefined && metrics?.["outlier_z"] !== undefined) notes.push(message);
    await writeTrainingReport(job.folder, { notes }).catch((error: unknown) => {
      // A full disk has been complained about already.
      if (LabError.from(error).code !== "disk_full") throw error;
    });
  }
}
