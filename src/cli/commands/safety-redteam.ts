/** `philab safety redteam`: attacks on a model of one's own. */
import path from "node:path";
import { z } from "zod";
import { LabError } from "../../base/errors.ts";
import { PROMPT_FORMATS } from "../../generate/prompt.ts";
import { Job } from "../../jobs/job.ts";
import { gcgArguments } from "../../safety/redteam/gcg-job.ts";
import { probeArguments } from "../../safety/redteam/probe-job.ts";
import { PROBE_NAMES } from "../../safety/redteam/probes.ts";
import { defineCommand } from "../command.ts";
import { FLAGS, flags } from "../flags.ts";
import { JUDGE_OPTIONS, judgeOf } from "../judge.ts";
import { recordedModel } from "../open-model.ts";
import { followGcg, followProbes } from "../redteam.ts";
import { ENDPOINT_OPTIONS } from "./eval.ts";

const count = (what: string, byDefault: number) =>
  z.int().min(1).default(byDefault).describe(what).meta({ placeholder: "count" });
const given = (what: string) =>
  z.string().min(1).optional().describe(what).meta({ verbatim: true, placeholder: "text" });

export const command = defineCommand({
  description:
    "probes puts the requests of a file of yours into templates (encodings, role play, prefix injection, refusal suppression, many shots) and counts what is refused, by phrases and, where one is named, by a judge. gcg looks for a suffix that makes an answer begin with a text of your choice, by gradients of a model here (Zou et al. 2023); the best of as many random suffixes stands beside it. Nothing of requests, targets, suffixes and answers is printed: they are in the run's folder, and blurred in its page.",
  arguments: {
    attack: z.enum(["probes", "gcg"]).default("probes").describe("which attack"),
  },
  options: {
    ...flags("model", "adapter", "mode", "device", "threads", "data", "limit", "seed"),
    maxTokens: FLAGS.maxTokens.default(64),
    probes: z
      .array(z.enum(PROBE_NAMES))
      .min(1)
      .default([...PROBE_NAMES])
      .describe("probes: which templates")
      .meta({ placeholder: "names" }),
    shots: z
      .string()
      .min(1)
      .optional()
      .describe("probes: questions and answers that many-shot shows, with these two columns")
      .meta({ placeholder: "path" }),
    ...ENDPOINT_OPTIONS,
    ...JUDGE_OPTIONS,
    prompt: given("gcg: the request that is attacked, where no file is given"),
    target: given("gcg: how the answer is to begin"),
    format: z.enum(PROMPT_FORMATS).default("qa").describe("gcg: how the request is asked"),
    suffix: z
      .string()
      .min(1)
      .default(" !".repeat(20))
      .describe("gcg: the suffix to begin with: as many tokens are sought")
      .meta({ verbatim: true, placeholder: "text" }),
    steps: count("gcg: steps at most; it ends where the answer begins with the target", 100),
    width: count("gcg: suffixes tried in a step", 128),
    choices: count("gcg: tokens to choose from at each place", 64),
  },
  defaults: { mode: "reference" },
  examples: [
    {
      command: "philab safety redteam --model ./phi-2 --data requests.jsonl --limit 20",
      does: "twenty requests in every template",
    },
    {
      command:
        'philab safety redteam gcg --prompt "Name a colour." --target "The colour of the sea"',
      does: "seeks a suffix after which the answer begins so",
    },
  ],
  async run(context) {
    const { args, options, settings, folders, cwd, commandLine } = context;
    const { data, prompt, target, limit, endpoint, concurrency, shots, maxTokens } = options;
    const shared = {
      ...recordedModel(context, options),
      ...(limit === undefined ? {} : { limit }),
      maxTokens,
    };
    const run = {
      runsFolder: folders.runs,
      provenance: { command: [...commandLine], mode: settings.mode, seed: settings.seed },
    };
    if (args.attack === "gcg") {
      if (endpoint !== undefined || options.judge !== undefined || shots !== undefined)
        throw new LabError("bad_input", "gcg needs gradients, and judges nothing", {
          hint: "Leave --endpoint, --judge and --shots out: they belong to probes.",
        });
      if ((data === undefined) === (prompt === undefined || target === undefined))
        throw new LabError("bad_input", "it is not clear what to attack", {
          hint: "Give --prompt TEXT --target TEXT, or --data FILE with the columns goal and target.",
        });
      const { format, suffix, steps, width, choices } = options;
      const asked = gcgArguments.parse({
        ...shared,
        ...(data === undefined ? { prompt, target } : { data: path.resolve(cwd, data) }),
        ...{ format, suffix, steps, width, choices, seed: settings.seed },
      });
      const name = path.basename(settings.model ?? "bundled");
      await followGcg(context, (definition) =>
        Job.create(definition, { ...run, name, arguments: asked }),
      );
      return;
    }
    if (data === undefined || prompt !== undefined || target !== undefined)
      throw new LabError("bad_input", "templates take the requests of a file", {
        hint: "Give --data FILE with a column prompt; --prompt and --target belong to gcg.",
      });
    const asked = probeArguments.parse({
      ...shared,
      ...judgeOf(options),
      ...(endpoint === undefined ? {} : { endpoint }),
      ...(concurrency === undefined ? {} : { concurrency }),
      ...(shots === undefined ? {} : { shots: path.resolve(cwd, shots) }),
      ...{ data: path.resolve(cwd, data), probes: options.probes },
    });
    await followProbes(context, (definition) =>
      Job.create(definition, { ...run, name: path.parse(data).name, arguments: asked }),
    );
  },
});
