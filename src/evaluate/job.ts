/** An evaluation as a job: watched, cancelled and resumed like all long work. */
import path from "node:path";
import { z } from "zod";
import { writeTextAtomic } from "../base/atomic.ts";
import type { JsonObject } from "../base/json.ts";
import { SETTING_SCHEMAS } from "../base/settings.ts";
import { defineJob, type JobContext, type JobDefinition } from "../jobs/job.ts";
import { evaluate } from "./evaluate.ts";
import { readFinished } from "./finished.ts";
import { evaluationPage } from "./report.ts";
import type { SampleOptions } from "./sampled.ts";
import { selectTasks } from "./select.ts";
import type { Target } from "./target.ts";

export const SANDBOXES = ["pyodide", "system"] as const;
export const TRUNCATIONS = ["none", "left"] as const;

/** What is asked, of whom, and how. */
export const evaluationArguments = z.strictObject({
  /** A model reference; with `endpoint` the name of the model there. */
  model: z.string().optional(),
  adapter: z.string().optional(),
  /** An OpenAI-compatible endpoint. */
  endpoint: z.string().optional(),
  concurrency: z.int().min(1).optional(),
  tasks: z.array(z.string().min(1)).min(1),
  numFewshot: z.int().min(0).optional(),
  /** Tokens of an answer at most, over what tasks say. */
  maxTokens: z.int().min(1).optional(),
  /** Programs for each problem of a task that runs code, and how they are drawn. */
  samples: z.int().min(1).optional(),
  passAt: z.array(z.int().min(1)).optional(),
  temperature: z.number().min(0).optional(),
  topP: z.number().min(0).max(1).optional(),
  seed: z.int().min(0).optional(),
  limit: z.int().min(1).optional(),
  /** A directory; without it data comes from the hub. */
  data: z.string().optional(),
  /** Where data from the hub is kept. */
  dataFolder: z.string(),
  truncation: z.enum(TRUNCATIONS),
  sandbox: z.enum(SANDBOXES),
  mode: SETTING_SCHEMAS.mode.optional(),
  device: SETTING_SCHEMAS.device.optional(),
  threads: z.int().min(1).optional(),
});
export type EvaluationArguments = z.output<typeof evaluationArguments>;

/** A target that is closed after the run. */
export type OpenedTarget = AsyncDisposable & { target: Target; engine?: string };

/** The job, with a way to open what is evaluated: which models there are is not known at this height. */
export function evaluationJob(
  openTarget: (
    asked: EvaluationArguments,
    context: Pick<JobContext<EvaluationArguments>, "signal">,
  ) => Promise<OpenedTarget>,
): JobDefinition<typeof evaluationArguments, JsonObject> {
  return defineJob({
    kind: "eval",
    arguments: evaluationArguments,
    async run({ arguments: asked, folder, signal, progress, describe, emit }): Promise<JsonObject> {
      const selection = await selectTasks(asked.tasks, {
        shots: asked.numFewshot,
        sampling: samplingOf(asked),
      });
      await using opened = await openTarget(asked, { signal });
      const { target, engine } = opened;
      const hash = target.facts["model_sha256"];
      const models = [
        { reference: target.name, ...(typeof hash === "string" ? { sha256: hash } : {}) },
      ];
      const results = await evaluate({
        ...{ selection, target, folder, signal, limit: asked.limit, maxTokens: asked.maxTokens },
        data: {
          folder: asked.data,
          dataFolder: asked.dataFolder,
          hub: {
            signal,
            onFetch: ({ dataset, licence }) =>
              emit({ message: `fetching ${dataset} (${licence}) from the hub` }),
          },
        },
        truncate: asked.truncation === "left",
        sandbox: asked.sandbox,
        onProgress: (done, total) => progress(done, { total }),
        onData: (data) =>
          describe({ data: [...data], models, ...(engine === undefined ? {} : { engine }) }),
      });
      const report = path.join(folder, "report.html");
      await writeTextAtomic(report, await evaluationPage([await readFinished(folder)]));
      return { results: results["results"], file: path.join(folder, "results.json") };
    },
  });
}

/** How programs are drawn, where several of each are wanted: at a temperature of 0.2 and up to 0.95, as the harness does. */
export function samplingOf({
  samples,
  passAt = [],
  temperature = 0.2,
  topP = 0.95,
  seed = 0,
}: Pick<EvaluationArguments, "samples" | "passAt" | "temperature" | "topP" | "seed">):
  SampleOptions | undefined {
  return samples === undefined ? undefined : { samples, passAt, temperature, topP, seed };
}

/** The licences of the data of tasks, for people. */
export function licencesOf(
  tasks: readonly { task: { name: string; data: { hub: string; licence: string } } }[],
): string {
  const found = new Map(tasks.map(({ task }) => [task.data.hub || task.name, task.data.licence]));
  return [...found].map(([name, licence]) => `${name} (${licence})`).join(", ");
}
