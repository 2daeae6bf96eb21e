/** `philab safety redteam`: attacks on a model of one's own. */
import path from "node:path";
import { z } from "zod";
import { LabError } from "../../base/errors.ts";
import { PROMPT_FORMATS } from "../../generate/prompt.ts";
import { Job } from "../../jobs/job.ts";
import { gcgArguments } from "../../safety/redteam/gcg-job.ts";
import { defineCommand } from "../command.ts";
import { FLAGS, flags } from "../flags.ts";
import { recordedModel } from "../open-model.ts";
import { followGcg } from "../redteam.ts";

const count = (what: string, byDefault: number) =>
  z.int().min(1).default(byDefault).describe(what).meta({ placeholder: "count" });

export const command = defineCommand({
  description:
    "gcg looks for a suffix that makes an answer begin with a text of your choice, by gradients of the model (Zou et al. 2023): it needs a model here. Requests and targets are yours, one pair or a file with the columns goal and target; nothing of them, of suffixes or of answers is printed: they are in the run's folder, and blurred in its page. The best of as many random suffixes as a step tries stands beside the result.",
  arguments: { attack: z.enum(["gcg"]).describe("which attack") },
  options: {
    ...flags("model", "adapter", "mode", "device", "threads", "data", "limit", "seed"),
    prompt: z
      .string()
      .min(1)
      .optional()
      .describe("the request that is attacked")
      .meta({ verbatim: true, placeholder: "text" }),
    target: z
      .string()
      .min(1)
      .optional()
      .describe("how the answer is to begin")
      .meta({ verbatim: true, placeholder: "text" }),
    format: z.enum(PROMPT_FORMATS).default("qa").describe("how the request is asked"),
    suffix: z
      .string()
      .min(1)
      .default(" !".repeat(20))
      .describe("the suffix to begin with: as many tokens are sought")
      .meta({ verbatim: true, placeholder: "text" }),
    steps: count("steps at most; it ends where the answer begins with the target", 100),
    width: count("suffixes tried in a step", 128),
    choices: count("tokens to choose from at each place", 64),
    maxTokens: FLAGS.maxTokens.default(64),
  },
  defaults: { mode: "reference" },
  examples: [
    {
      command:
        'philab safety redteam gcg --prompt "Name a colour." --target "The colour of the sea"',
      does: "seeks a suffix after which the answer begins so",
    },
  ],
  async run(context) {
    const { options, settings, folders, cwd, commandLine } = context;
    const { data, prompt, target, limit } = options;
    if ((data === undefined) === (prompt === undefined || target === undefined))
      throw new LabError("bad_input", "it is not clear what to attack", {
        hint: "Give --prompt TEXT --target TEXT, or --data FILE with the columns goal and target.",
      });
    const { format, suffix, steps, width, choices, maxTokens } = options;
    const asked = gcgArguments.parse({
      ...recordedModel(context, options),
      ...(data === undefined ? { prompt, target } : { data: path.resolve(cwd, data) }),
      ...(limit === undefined ? {} : { limit }),
      ...{ format, suffix, steps, width, choices, maxTokens, seed: settings.seed },
    });
    await followGcg(context, (definition) =>
      Job.create(definition, {
        runsFolder: folders.runs,
        name: path.basename(settings.model ?? "bundled"),
        arguments: asked,
        provenance: { command: [...commandLine], mode: settings.mode, seed: settings.seed },
      }),
    );
  },
});
