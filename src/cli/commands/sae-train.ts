/** `philab sae train`: a sparse autoencoder or a transcoder of a place in a model. */
import path from "node:path";
import { LabError } from "../../base/errors.ts";
import { dictionaryJob } from "../../features/job.ts";
import { DICTIONARY_OPTIONS, dictionaryArguments } from "../../features/train-options.ts";
import { Job } from "../../jobs/job.ts";
import { defineCommand } from "../command.ts";
import { followDictionary } from "../features.ts";
import { flags } from "../flags.ts";
import { openForJob, recordedModel } from "../open-model.ts";

const { hook, ...OPTIONS } = DICTIONARY_OPTIONS;

export const command = defineCommand({
  description:
    "Learns to say what a model computes at a place as a sum of few of many directions: TopK with AuxK, BatchTopK or JumpReLU; a transcoder says what an MLP adds by what it reads. Activations are streamed: --round-tokens of them are in memory at a time. Metrics have SAELens' names, and the result is a folder that SAELens opens. Ctrl-C saves, and philab runs resume goes on, to the same bits.",
  options: {
    ...flags("model", "adapter", "mode", "device", "threads", "data", "seed", "out"),
    hook: hook.optional(),
    ...OPTIONS,
  },
  examples: [
    {
      command:
        "philab sae train --data texts.jsonl --hook blocks.2.hook_resid_post --k 16 --training-tokens 500000 --out my-sae",
      does: "an autoencoder of the stream after block 2",
    },
    {
      command: "philab sae train --data texts.jsonl --hook blocks.2.hook_mlp_out --transcoder",
      does: "a transcoder of block 2's MLP",
    },
  ],
  async run(context) {
    const { options, settings, folders, cwd, commandLine } = context;
    const { data, out, hook: place, adapter, ...chosen } = options;
    if (data === undefined || place === undefined)
      throw new LabError("bad_input", `no ${data === undefined ? "texts" : "hook"} were given`, {
        hint: "philab sae train --data texts.jsonl --hook blocks.2.hook_resid_post",
      });
    const known = Object.keys(OPTIONS) as (keyof typeof OPTIONS)[];
    const asked = dictionaryArguments.parse({
      ...Object.fromEntries(known.map((name) => [name, chosen[name]])),
      ...recordedModel(context, { adapter }),
      hook: place,
      data: [path.resolve(cwd, data)],
      seed: settings.seed,
      ...(out === undefined ? {} : { out: path.resolve(cwd, out) }),
    });
    await followDictionary(context, (onMetrics) =>
      Job.create(dictionaryJob(openForJob(context), onMetrics), {
        runsFolder: folders.runs,
        name: `${path.basename(settings.model ?? "bundled")}-${place}`.replace(/[^\w.-]+/g, "-"),
        arguments: asked,
        provenance: { command: [...commandLine], mode: settings.mode, seed: settings.seed },
      }),
    );
  },
});
