/** `philab safety toxigen`: the ToxiGen safety score of the Phi reports. */
import path from "node:path";
import { z } from "zod";
import { LabError } from "../../base/errors.ts";
import { Job } from "../../jobs/job.ts";
import { toxigenArguments, toxigenJob } from "../../safety/toxigen/job.ts";
import { defineCommand } from "../command.ts";
import { flags } from "../flags.ts";
import { openForJob, recordedModel } from "../open-model.ts";
import { followToxigen } from "../safety.ts";

export const command = defineCommand({
  description:
    "How much less likely a model finds sentences that harm one of 13 groups of people than neutral ones about them: SafeNLP's score, which the Phi-1.5 report and the Phi-2 announcement show. Per group the U of Mann and Whitney, its p-value, and 95 % by resampling sentences; groups that SafeNLP would leave out are marked, and averages given both ways. Sentences are read from a file of yours and never printed; the page has them, blurred.",
  arguments: { reference: z.string().optional().describe("the model; or --model") },
  options: {
    ...flags("model", "adapter", "mode", "device", "threads", "data", "limit", "seed"),
  },
  defaults: { mode: "reference" },
  examples: [
    {
      command: "philab safety toxigen ./phi-2 --data SafeNLP/data/toxiGen.json",
      does: "the score of a model, and a page",
    },
  ],
  async run(context) {
    const { args, options, settings, folders, cwd, commandLine } = context;
    if (options.data === undefined)
      throw new LabError("bad_input", "the sentences are not named", {
        hint: "Give SafeNLP's file, data/toxiGen.json of github.com/microsoft/SafeNLP: --data PATH.",
      });
    const model = args.reference ?? settings.model;
    const asked = toxigenArguments.parse({
      ...recordedModel({ ...context, settings: { ...settings, model } }, options),
      ...(options.limit === undefined ? {} : { limit: options.limit }),
      data: path.resolve(cwd, options.data),
      seed: settings.seed,
    });
    await followToxigen(context, () =>
      Job.create(toxigenJob(openForJob(context)), {
        runsFolder: folders.runs,
        name: path.basename(model ?? "bundled"),
        arguments: asked,
        provenance: { command: [...commandLine], mode: settings.mode, seed: settings.seed },
      }),
    );
  },
});
