/** `philab finetune`: an adapter, or a whole model, learns from answers or from pairs of them. */
import { Job } from "../../jobs/job.ts";
import { findModel } from "../../open.ts";
import { FINETUNE_OPTIONS, type FinetuneArguments } from "../../train/finetune-options.ts";
import { finetuneJob } from "../../train/finetune.ts";
import { defineCommand } from "../command.ts";
import { flags } from "../flags.ts";
import {
  absolutePath,
  absolutePaths,
  chosenOptions,
  defined,
  followTraining,
  settingsOf,
  trainingOptions,
} from "../training.ts";

const SETTINGS = flags("model", "out", "device", "threads", "seed");

export const command = defineCommand({
  description:
    "Learns a LoRA adapter beside the model's weights, which may be quantised, or with --full all weights. Data is JSONL: completion, Alpaca, ShareGPT or messages; prompt, chosen and rejected for preferences. The plan comes first, with an example as the model reads it, ⟦ ⟧ around what it learns. Ctrl-C saves, and philab runs resume goes on.",
  options: trainingOptions(FINETUNE_OPTIONS, SETTINGS, "lora_rank: 8"),
  examples: [
    {
      command:
        "philab finetune --data examples/data/no-sums.jsonl --num-train-epochs 8 --learning-rate 1e-3 --max-seq-length 32",
      does: "the bundled model learns to decline; philab run --adapter uses what comes out",
    },
    {
      command: "philab finetune --config dpo.yaml --model phi-2-q4_k_m.gguf",
      does: "as a file says, over quantised weights",
    },
  ],
  async run(context) {
    const { options, settings, sources, folders, commandLine, cwd } = context;
    const schemas = { ...FINETUNE_OPTIONS, ...SETTINGS };
    const { recipe, chosen, runName } = await chosenOptions(options, schemas, cwd);
    const named =
      sources.model.from === "flag" ? settings.model : (recipe["model"] ?? settings.model);
    const model = await findModel(named as string | undefined, { folders, cwd });
    const paths = {
      model: model.path,
      data: absolutePaths(chosen["data"], cwd),
      evalData: absolutePaths(chosen["evalData"], cwd),
      out: absolutePath(chosen["out"], cwd),
    };
    const args = { ...chosen, ...defined(paths), ...settingsOf(recipe, context) };
    await followTraining(context, (observer) =>
      Job.create(finetuneJob(observer), {
        runsFolder: folders.runs,
        name: typeof runName === "string" ? runName : model.name,
        arguments: args as unknown as FinetuneArguments,
        provenance: { command: [...commandLine] },
      }),
    );
  },
});
