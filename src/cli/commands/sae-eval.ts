/** `philab sae eval`: what a dictionary is worth. */
import { z } from "zod";
import { evaluateDictionary } from "../../features/evaluate.ts";
import { readSequences } from "../../features/sequences.ts";
import { defineCommand } from "../command.ts";
import { DICTIONARY_ARGUMENT, metricsTable, openDictionary, textsOf } from "../features.ts";
import { flags } from "../flags.ts";
import { provenance } from "../open-model.ts";

export const command = defineCommand({
  description:
    "Measures a dictionary, one of philab's or of SAELens', on texts: how much of the variance it explains, beside a PCA of its size; how much of the loss the model keeps when the dictionary takes its place; how many features fire, for a token and at all.",
  arguments: {
    dictionary: DICTIONARY_ARGUMENT,
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
    { command: "philab sae eval phi-nano.resid-2", does: "one of the bundled model's" },
    {
      command: "philab sae eval ./my-sae --data texts.jsonl",
      does: "what it keeps of the model",
    },
  ],
  async run(context) {
    const { args, options, output, signal, commandLine } = context;
    const { adapter, hook, data } = options;
    const { opened, dictionary, folder } = await openDictionary(context, args.dictionary, {
      ...{ adapter, hook },
    });
    await using model = opened.model;
    const sequences = await readSequences(model, [await textsOf(context, { data, folder })], {
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
