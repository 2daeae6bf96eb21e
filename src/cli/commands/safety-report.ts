/** `philab safety report`: the panel of a model, before and after a change. */
import { stat } from "node:fs/promises";
import path from "node:path";
import { z } from "zod";
import { LabError } from "../../base/errors.ts";
import { Job } from "../../jobs/job.ts";
import { reportArguments } from "../../safety/report/job.ts";
import { defineCommand } from "../command.ts";
import { FLAGS, flags } from "../flags.ts";
import { recordedModel } from "../open-model.ts";
import { followReport } from "../safety-report.ts";

const file = (what: string) =>
  z.string().min(1).optional().describe(what).meta({ placeholder: "path" });

export const command = defineCommand({
  description:
    "Measures a model on one panel: the ToxiGen score, refusals and over-refusal (XSTest), stereotypes (BBQ), tasks, the perplexity of ordinary texts. With an edited model beside it, or a direction that is taken out of the weights: what the edit changed, what moved inside (streams, heads, parameters), and the same of a control that was changed as much in a random direction. --data is a folder with the benchmarks' own files (safenlp_toxigen/, xstest/, bbq/, and those of tasks); what is not there is told. Prompts and answers are not printed; the page has them, blurred.",
  arguments: { reference: z.string().optional().describe("the model; or --model") },
  options: {
    ...flags("model", "adapter", "mode", "device", "threads", "seed", "data"),
    against: z
      .string()
      .min(1)
      .optional()
      .describe("the edited model")
      .meta({ placeholder: "model" }),
    direction: file("a direction instead, of safety direction --control-vector"),
    tasks: FLAGS.tasks.describe("tasks of eval, for what the model is to be able to"),
    texts: file("ordinary texts, one in a line, instead of the few that philab brings"),
    limit: z
      .int()
      .min(1)
      .default(200)
      .describe("prompts, questions of each file and items of each task at most")
      .meta({ placeholder: "count" }),
    maxTokens: FLAGS.maxTokens.default(32),
  },
  defaults: { mode: "reference" },
  examples: [
    {
      command: "philab safety report phi-micro --against ./edited --data ./benchmarks --tasks piqa",
      does: "the panel before and after, and what moved",
    },
  ],
  async run(context) {
    const { args, options, settings, folders, cwd, commandLine } = context;
    const { against, direction, data, texts, tasks = [], limit, maxTokens } = options;
    if (against !== undefined && direction !== undefined)
      throw new LabError("bad_input", "an edited model and a direction are two reports", {
        hint: "Give --against or --direction.",
      });
    const absolute = (name: string): string => path.resolve(cwd, name);
    if (data !== undefined)
      await stat(absolute(data)).catch((error: unknown) => {
        throw LabError.from(error);
      });
    const model = args.reference ?? settings.model;
    const asked = reportArguments.parse({
      ...recordedModel({ ...context, settings: { ...settings, model } }, options),
      ...(against === undefined ? {} : { against }),
      ...(direction === undefined ? {} : { direction: absolute(direction) }),
      ...(data === undefined ? {} : { data: absolute(data) }),
      ...(texts === undefined ? {} : { texts: absolute(texts) }),
      ...{ tasks, limit, maxTokens, seed: settings.seed, dataFolder: folders.data },
    });
    await followReport(context, (definition) =>
      Job.create(definition, {
        runsFolder: folders.runs,
        name: path.basename(model ?? "bundled"),
        arguments: asked,
        provenance: { command: [...commandLine], mode: settings.mode, seed: settings.seed },
      }),
    );
  },
});
