/** `philab eval`: the benchmarks of the Phi reports. */
import path from "node:path";
import { z } from "zod";
import { LabError } from "../../base/errors.ts";
import { formatCount, formatNumber, formatTable } from "../../base/format.ts";
import type { JsonObject } from "../../base/json.ts";
import { Endpoint } from "../../endpoint/index.ts";
import { EndpointTarget } from "../../evaluate/endpoint-target.ts";
import { GROUPS, TASKS } from "../../evaluate/groups.ts";
import {
  evaluationJob,
  licencesOf,
  SANDBOXES,
  TRUNCATIONS,
  type EvaluationArguments,
  type OpenedTarget,
} from "../../evaluate/job.ts";
import { LocalTarget } from "../../evaluate/local-target.ts";
import { selectTasks } from "../../evaluate/select.ts";
import { Job } from "../../jobs/job.ts";
import { findRun } from "../../jobs/runs.ts";
import { defineCommand, type CommandContext } from "../command.ts";
import { flags } from "../flags.ts";
import { openModel } from "../open-model.ts";

export const run = defineCommand({
  description:
    "Runs tasks of lm-evaluation-harness with its prompts and rules; the numbers are the same. Data comes from --data, a directory with the hub's columns or the benchmarks' own files, or from the hub. Programs that the model writes run in a sandbox. An interrupted run goes on with --resume.",
  options: {
    ...flags("model", "adapter", "mode", "device", "threads", "tasks", "data", "limit"),
    numFewshot: z
      .int()
      .min(0)
      .max(100)
      .optional()
      .describe("solved examples in every prompt; default: the task's, the group's")
      .meta({ placeholder: "count" }),
    truncation: z
      .enum(TRUNCATIONS)
      .default("none")
      .describe("left: cut prompts that do not fit, as lm-evaluation-harness does"),
    sandbox: z
      .enum(SANDBOXES)
      .default("pyodide")
      .describe("where programs of the model run; system: python3 inside bubblewrap"),
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
      command: "philab eval run --model phi-2 --tasks phi2",
      does: "the table of the Phi-2 report, data from the hub",
    },
  ],
  async run(context) {
    const { options, settings, sources, folders, output, signal, cwd, commandLine } = context;
    const definition = evaluationJob((asked) => openTarget(context, asked));
    const job =
      options.resume !== undefined
        ? await Job.resume(definition, (await findRun(folders.runs, options.resume)).folder)
        : await Job.create(definition, {
            runsFolder: folders.runs,
            name: nameOf(options.tasks ?? ["phi2"]),
            arguments: {
              ...optional({
                model: settings.model,
                adapter: options.adapter,
                numFewshot: options.numFewshot,
                limit: options.limit,
                endpoint: options.endpoint,
                concurrency: options.concurrency,
                data: options.data === undefined ? undefined : path.resolve(cwd, options.data),
                threads: sources.threads.from === "default" ? undefined : settings.threads,
              }),
              tasks: await checkedTasks(context, options.tasks ?? ["phi2"]),
              dataFolder: folders.data,
              truncation: options.truncation,
              sandbox: options.sandbox,
              mode: settings.mode,
              device: settings.device,
            },
            provenance: { command: [...commandLine], mode: settings.mode },
          });
    output.note(`run ${job.record.id}`);
    using progress = output.progress({ label: "eval", unit: "requests" });
    const finished = job.start({ signal });
    for await (const { step, total, message } of job) {
      if (message !== undefined && step === undefined) output.note(message);
      if (step !== undefined) progress.update(step, total === undefined ? {} : { total });
    }
    const { results } = await finished;
    progress.finish();
    output.result({ id: job.record.id, folder: job.folder, results }, () =>
      resultTable(results as JsonObject),
    );
  },
});

/** Unknown names are told before a run is made of them. Task files are named by their path from here. */
async function checkedTasks(
  {
    options,
    output,
    cwd,
  }: Pick<CommandContext, "output" | "cwd"> & { options: { numFewshot?: number | undefined } },
  names: readonly string[],
): Promise<string[]> {
  const tasks = names.map((name) => (/\.ya?ml$/i.test(name) ? path.resolve(cwd, name) : name));
  const selection = await selectTasks(tasks, { shots: options.numFewshot });
  output.note(`data: ${licencesOf(selection.tasks)}`);
  return tasks;
}

/** A model of this machine, or one behind an endpoint, whose key is in the environment. */
async function openTarget(
  context: Pick<
    CommandContext,
    "settings" | "sources" | "folders" | "output" | "signal" | "cwd" | "env"
  >,
  { model: name, adapter, endpoint: url, concurrency }: EvaluationArguments,
): Promise<OpenedTarget> {
  if (url !== undefined) {
    if (name === undefined)
      throw new LabError("bad_input", "the endpoint's model is not named", {
        hint: "Name it with --model.",
      });
    const apiKey = context.env["PHILAB_API_KEY"];
    const endpoint = new Endpoint({ url, model: name, apiKey });
    return {
      target: new EndpointTarget(endpoint, { concurrency }),
      [Symbol.asyncDispose]: () => {
        const { requests, ...troubles } = endpoint.counts;
        const told = Object.entries(troubles).filter(([, count]) => count > 0);
        if (told.length > 0)
          context.output.warn(
            `the endpoint took ${requests} requests: ${told.map(([kind, count]) => `${count} ${kind}`).join(", ")}`,
          );
        return Promise.resolve();
      },
    };
  }
  const settings = { ...context.settings, model: name };
  const { model, reference } = await openModel({ ...context, settings }, { adapter });
  return {
    target: new LocalTarget(model, reference.name),
    engine: model.backend.engineVersion,
    [Symbol.asyncDispose]: () => model[Symbol.asyncDispose](),
  };
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

function resultTable(results: JsonObject): string {
  const rows = Object.entries(results).flatMap(([task, entry]) => {
    const values = entry as Record<string, number | string>;
    return Object.entries(values)
      .filter(([key]) => key.includes(",") && !key.includes("_stderr,"))
      .map(([key, value]) => {
        const [metric = "", filter = ""] = key.split(",");
        const error = values[`${metric}_stderr,${filter}`];
        return [
          task,
          metric + (filter === "none" ? "" : ` (${filter})`),
          formatNumber(Number(value), 5),
          typeof error === "number" ? `± ${formatNumber(error, 3)}` : "",
          formatCount(Number(values["sample_len"])),
        ];
      });
  });
  return formatTable(
    [
      { title: "task" },
      { title: "metric" },
      { title: "value", align: "right" },
      { title: "stderr" },
      { title: "items", align: "right" },
    ],
    rows,
  );
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
