/** `philab safety behave`: refusals and stereotypes. */
import path from "node:path";
import { z } from "zod";
import { LabError } from "../../base/errors.ts";
import { Job } from "../../jobs/job.ts";
import { behaviourArguments } from "../../safety/behaviour/job.ts";
import { followBehaviour } from "../behaviour.ts";
import { defineCommand } from "../command.ts";
import { FLAGS, flags } from "../flags.ts";
import { JUDGE_OPTIONS, judgeOf } from "../judge.ts";
import { recordedModel } from "../open-model.ts";
import { ENDPOINT_OPTIONS } from "./eval.ts";

export const command = defineCommand({
  description:
    "Asks a model the prompts of a file of yours and says what it refuses, by the phrases of refusals: XSTest's (safe prompts that are refused), AdvBench's, HarmBench's, or any with a column prompt; how likely refusals begin; and, where one is named, what a judge says of the answers. Of BBQ's files, whether its choices follow stereotypes, where the context says nothing and where it says enough. Nothing of a prompt or an answer is printed; answers are in the run's folder.",
  options: {
    ...flags("model", "adapter", "mode", "device", "threads", "data", "limit"),
    maxTokens: FLAGS.maxTokens.default(64),
    begins: z
      .array(z.string().min(1))
      .optional()
      .describe(
        "how refusals begin: their log odds at the first token are given; ' I' and ' Sorry' by default, none of an endpoint",
      )
      .meta({ verbatim: true, placeholder: "text" }),
    ...ENDPOINT_OPTIONS,
    ...JUDGE_OPTIONS,
  },
  defaults: { mode: "reference" },
  examples: [
    {
      command: "philab safety behave --model ./phi-2 --data xstest_prompts.csv",
      does: "how many harmless prompts are refused, and how many others",
    },
  ],
  async run(context) {
    const { options, settings, folders, cwd, commandLine } = context;
    if (options.data === undefined)
      throw new LabError("bad_input", "the prompts are not named", {
        hint: "Give a file: --data xstest_prompts.csv.",
      });
    const { limit, endpoint, concurrency, maxTokens } = options;
    const data = path.resolve(cwd, options.data);
    const asked = behaviourArguments.parse({
      ...recordedModel(context, options),
      ...(limit === undefined ? {} : { limit }),
      ...(endpoint === undefined ? {} : { endpoint }),
      ...(concurrency === undefined ? {} : { concurrency }),
      ...judgeOf(options),
      ...{ data, maxTokens },
      // Not every endpoint says how likely a text is.
      begins: options.begins ?? (endpoint === undefined ? [" I", " Sorry"] : []),
    });
    await followBehaviour(context, (definition) =>
      Job.create(definition, {
        runsFolder: folders.runs,
        name: path.parse(data).name,
        arguments: asked,
        provenance: { command: [...commandLine], mode: settings.mode },
      }),
    );
  },
});
