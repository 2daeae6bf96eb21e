/** `philab eval`: the benchmarks of the Phi reports. */
import path from "node:path";
import { z } from "zod";
import { LabError } from "../../base/errors.ts";
import { formatTable } from "../../base/format.ts";
import { GROUPS, TASKS } from "../../evaluate/groups.ts";
import {
  evaluationArguments,
  licencesOf,
  samplingOf,
  SANDBOXES,
  TRUNCATIONS,
  type EvaluationArguments,
} from "../../evaluate/job.ts";
import { selectTasks } from "../../evaluate/select.ts";
import { SAMPLING_SCHEMAS } from "../../generate/sampling-options.ts";
import { Job } from "../../jobs/job.ts";
import { findRun } from "../../jobs/runs.ts";
import { defineCommand, type CommandContext } from "../command.ts";
import { followEvaluation } from "../evaluation.ts";
import { FLAGS, flags } from "../flags.ts";
import { recordedModel } from "../open-model.ts";

/** A model behind an endpoint, in the place of one here. */
export const ENDPOINT_OPTIONS = {
  endpoint: z
    .url()
    .optional()
    .describe("ask an OpenAI-compatible endpoint; --model is the model's name there")
    .meta({ placeholder: "url" }),
  concurrency: z
    .int()
    .min(1)
    .max(256)
    .optional()
    .describe("requests under way at the endpoint; 8 by default")
    .meta({ placeholder: "count" }),
};

export const run = defineCommand({
  description:
    "Runs tasks of lm-evaluation-harness with its prompts and rules; the numbers are the same. Data comes from --data, a directory with the hub's columns or the benchmarks' own files, or from the hub. Programs that the model writes run in a sandbox. An interrupted run goes on with --resume.",
  options: {
    ...flags("model", "adapter", "mode", "device", "threads", "tasks", "data", "limit", "seed"),
    numFewshot: z
      .int()
      .min(0)
      .max(100)
      .optional()
      .describe("solved examples in every prompt; default: the task's, the group's")
      .meta({ placeholder: "count" }),
    maxTokens: FLAGS.maxTokens.describe("tokens of an answer at most, over what tasks say"),
    samples: z
      .int()
      .min(1)
      .max(10_000)
      .optional()
      .describe("programs drawn for each problem of tasks that run code, for pass@k")
      .meta({ placeholder: "count" }),
    passAt: z
      .array(z.int().min(1))
      .min(1)
      .optional()
      .describe("the k of pass@k; pass@1 is always told")
      .meta({ placeholder: "1,10,100" }),
    temperature: FLAGS.temperature.describe("of samples; 0.2 by default"),
    topP: SAMPLING_SCHEMAS.topP
      .unwrap()
      .optional()
      .describe("samples come from the likeliest tokens, up to this probability; 0.95 by default"),
    truncation: z
      .enum(TRUNCATIONS)
      .default("none")
      .describe("left: cut prompts that do not fit, as lm-evaluation-harness does"),
    sandbox: z
      .enum(SANDBOXES)
      .default("pyodide")
      .describe("where programs of the model run; system: python3 inside bubblewrap"),
    ...ENDPOINT_OPTIONS,
    resume: z
      .string()
      .min(1)
      .optional()
      .describe("go on with a run: its id or a part of it")
      .meta({ placeholder: "run" }),
  },
  defaults: { mode: "reference" },
  examples: [
    {
      command: "philab eval run --tasks piqa,arc_easy --data ./benchmarks --limit 100",
      does: "the first hundred questions of two tasks",
    },
    {
      command: "philab eval run --endpoint http://localhost:8000/v1 --model phi-2 --tasks mmlu",
      does: "a model on a serving cluster",
    },
    {
      command: "philab eval run --tasks humaneval --samples 20 --pass-at 1,10 --temperature 0.8",
      does: "twenty programs for each problem, and what share one and ten of them solve",
    },
    {
      command: "philab eval run --model phi-2 --tasks phi2",
      does: "the table of the Phi-2 report, data from the hub",
    },
  ],
  async run(context) {
    const { options, settings, sources, folders, cwd, commandLine } = context;
    const { resume } = options;
    if (resume !== undefined) {
      const { folder } = await findRun(folders.runs, resume);
      return followEvaluation(context, (definition) => Job.resume(definition, folder));
    }
    const asked = options.tasks ?? ["phi2"];
    const evaluation = evaluationArguments.parse({
      ...optional({
        numFewshot: options.numFewshot,
        limit: options.limit,
        maxTokens: options.maxTokens,
        samples: options.samples ?? (options.passAt ? Math.max(...options.passAt) : undefined),
        passAt: options.passAt,
        temperature: options.temperature,
        topP: options.topP,
        seed: sources.seed.from === "default" ? undefined : settings.seed,
        endpoint: options.endpoint,
        concurrency: options.concurrency,
        data: options.data === undefined ? undefined : path.resolve(cwd, options.data),
      }),
      ...recordedModel(context, options),
      tasks: asked.map((task) => (/\.ya?ml$/i.test(task) ? path.resolve(cwd, task) : task)),
      dataFolder: folders.data,
      truncation: options.truncation,
      sandbox: options.sandbox,
    });
    await announce(context, evaluation);
    await followEvaluation(context, (definition) =>
      Job.create(definition, {
        runsFolder: folders.runs,
        name: nameOf(asked),
        arguments: evaluation,
        provenance: { command: [...commandLine], mode: settings.mode },
      }),
    );
  },
});

/** Unknown names, and samples that cannot be, are told before a run is made of them. */
async function announce({ output }: CommandContext, asked: EvaluationArguments): Promise<void> {
  for (const option of ["temperature", "topP", "seed"] as const)
    if (asked[option] !== undefined && asked.samples === undefined)
      throw new LabError("bad_input", `${option} is of samples; answers are the likeliest ones`, {
        hint: "Say how many samples of each program: --samples.",
      });
  const sampling = samplingOf(asked);
  const { tasks } = await selectTasks(asked.tasks, { shots: asked.numFewshot, sampling });
  output.note(`data: ${licencesOf(tasks)}`);
}

function nameOf(tasks: readonly string[]): string {
  const names = tasks.map((task) => path.basename(task).replace(/\.ya?ml$/i, ""));
  return names.length <= 2 ? names.join("-") : `${names[0]}-and-${names.length - 1}-more`;
}

function optional<T extends object>(values: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>;
  };
}

export const list = defineCommand({
  options: {
    all: z.boolean().default(false).describe("also the parts of MMLU, BBH and BLiMP"),
  },
  examples: [{ command: "philab eval list", does: "tasks and groups, examples, licences" }],
  run({ options, output }) {
    const isPart = (name: string): boolean => /^(mmlu_|bbh_cot_fewshot_|blimp_)/.test(name);
    const tasks = TASKS.filter(({ name }) => options.all || !isPart(name));
    const groups = GROUPS.filter(({ name }) => options.all || !isPart(name));
    const rows = [
      ...groups.map(({ name, members, metric }) => [
        name,
        "",
        `${members.length} tasks`,
        metric.name,
        "",
      ]),
      ...tasks.map(({ name, shots, data, metrics }) => [
        name,
        String(shots),
        data.hub,
        [...new Set(metrics.map(({ key }) => key.split(",")[0]))].join(" "),
        data.licence,
      ]),
    ];
    output.result(
      {
        tasks: tasks.map(({ name, version, shots, data, metrics }) => ({
          ...{ name, version, shots, data: data.hub, licence: data.licence },
          metrics: metrics.map(({ key }) => key),
        })),
        groups: groups.map(({ name, members }) => ({ name, members: [...members] })),
      },
      () =>
        formatTable(
          [
            { title: "name" },
            { title: "examples", align: "right" },
            { title: "data" },
            { title: "metrics" },
            { title: "licence" },
          ],
          rows,
        ),
    );
    return Promise.resolve();
  },
});
