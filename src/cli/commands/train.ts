/** `philab train`: a Phi of one's own, from random weights, from a model, or grown from a smaller one. */
import path from "node:path";
import { Job } from "../../jobs/job.ts";
import { PRETRAIN_OPTIONS, pretrainJob, type PretrainArguments } from "../../train/pretrain.ts";
import { findModel } from "../../open.ts";
import { defineCommand, type CommandContext } from "../command.ts";
import { flags } from "../flags.ts";
import {
  absolutePath,
  absolutePaths,
  chosenOptions,
  defined,
  followTraining,
  settingsOf,
  trainingOptions,
  type Options,
} from "../training.ts";
import { tokenizerFolder } from "../tokenizer-folder.ts";

const SETTINGS = flags("out", "device", "threads", "seed");

export const command = defineCommand({
  description:
    "Learns to predict text. Options stand as flags or in a YAML file, under the names that Hugging Face's Trainer has; flags win. Prints what it will take before it begins. Ctrl-C saves, and philab runs resume goes on.",
  options: trainingOptions(PRETRAIN_OPTIONS, SETTINGS, "learning_rate: 1e-3"),
  examples: [
    {
      command:
        "philab train --data docs --init-from phi-nano --max-seq-length 128 --max-steps 20 --per-device-train-batch-size 4",
      does: "the bundled model learns from the texts of a folder",
    },
    {
      command: "philab train --config recipe.yaml --size mini --tokenizer ./my-tokenizer",
      does: "a new model of 6 layers, the rest as a file says",
    },
  ],
  async run(context) {
    const { options, folders, commandLine, cwd } = context;
    const schemas = { ...PRETRAIN_OPTIONS, ...SETTINGS };
    const { recipe, chosen: named, runName } = await chosenOptions(options, schemas, cwd);
    const chosen = await withPaths(named, context);
    const settings = settingsOf(recipe, context);
    const args = { ...chosen, ...settings } as unknown as PretrainArguments;
    await followTraining(context, (observer) =>
      Job.create(pretrainJob(observer), {
        runsFolder: folders.runs,
        name: nameOf({ ...args, runName }),
        arguments: args,
        provenance: { command: [...commandLine] },
      }),
    );
  },
});

/** Paths and model references of the options, as absolute paths. */
async function withPaths(
  options: Options,
  { folders, cwd }: Pick<CommandContext, "folders" | "cwd">,
): Promise<Options> {
  const { initFrom, tokenizer } = options;
  const found = {
    data: absolutePaths(options["data"], cwd),
    evalData: absolutePaths(options["evalData"], cwd),
    modelConfig: absolutePath(options["modelConfig"], cwd),
    out: absolutePath(options["out"], cwd),
    initFrom:
      typeof initFrom === "string" ? (await findModel(initFrom, { folders, cwd })).path : initFrom,
    tokenizer:
      typeof tokenizer === "string"
        ? await tokenizerFolder(tokenizer, { folders, cwd })
        : tokenizer,
  };
  return { ...options, ...defined(found) };
}

function nameOf({ runName, size, initFrom }: Options): string {
  const from = typeof initFrom === "string" ? path.basename(initFrom, ".gguf") : undefined;
  return [runName, size, from, "new"].find((name) => typeof name === "string") as string;
}
