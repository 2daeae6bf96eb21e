/** `philab sae eval`: what a dictionary is worth. */
import path from "node:path";
import { z } from "zod";
import { LabError } from "../../base/errors.ts";
import { assertFits } from "../../features/dictionary.ts";
import { evaluateDictionary } from "../../features/evaluate.ts";
import { readDictionary } from "../../features/sae-lens.ts";
import { readSequences } from "../../features/sequences.ts";
import { defineCommand } from "../command.ts";
import { metricsTable } from "../features.ts";
import { flags } from "../flags.ts";
import { openModel, provenance } from "../open-model.ts";

export const command = defineCommand({
  description:
    "Measures a dictionary, one of philab's or of SAELens', on texts: how much of the variance it explains, beside a PCA of its size; how much of the loss the model keeps when the dictionary takes its place; how many features fire, for a token and at all.",
  arguments: {
    dictionary: z.string().describe("a folder with cfg.json and sae_weights.safetensors"),
  },
  options: {
    ...flags("model", "adapter", "mode", "device", "threads", "data"),
    hook: z
      .string()
      .min(1)
      .optional()
      .describe("the place that it must be of")
      .meta({ placeholder: "name" }),
    evalTokens: z
      .int()
      .min(2)
      .default(20_000)
      .describe("tokens to measure on at most")
      .meta({ placeholder: "count" }),
    contextSize: z
      .int()
      .min(2)
      .default(128)
      .describe("tokens that the model reads in one piece")
      .meta({ placeholder: "count" }),
  },
  examples: [
    {
      command: "philab sae eval ./my-sae --data texts.jsonl",
      does: "what it keeps of the model",
    },
  ],
  async run(context) {
    const { args, options, cwd, output, signal, commandLine } = context;
    if (options.data === undefined)
      throw new LabError("bad_input", "no texts were given", { hint: "Add --data texts.jsonl." });
    const dictionary = await readDictionary(path.resolve(cwd, args.dictionary));
    const opened = await openModel(context, { adapter: options.adapter });
    await using model = opened.model;
    assertFits(dictionary, model.config, { hook: options.hook });
    const { model_sha256: made } = dictionary.metadata;
    if (typeof made === "string" && made !== model.fingerprint())
      output.warn(`the dictionary is of another model (sha256 ${made.slice(0, 12)}…)`);
    const sequences = await readSequences(model, [path.resolve(cwd, options.data)], {
      tokens: options.evalTokens,
      length: Math.min(options.contextSize, model.contextLength),
    });
    using progress = output.progress({ label: "sae eval", unit: "texts" });
    const { featureDensity: _, ...metrics } = await evaluateDictionary(
      model,
      dictionary,
      sequences,
      {
        signal,
        onProgress: (done, total) => progress.update(done, { total }),
      },
    );
    progress.finish();
    output.result({ ...provenance(opened, commandLine), hook: dictionary.output, ...metrics }, () =>
      metricsTable(metrics),
    );
  },
});
