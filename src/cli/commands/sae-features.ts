/** `philab sae features`: what single features of a dictionary stand for. */
import path from "node:path";
import { z } from "zod";
import { formatNumber, formatPercent, formatTable } from "../../base/format.ts";
import { visibleLine } from "../../base/terminal.ts";
import {
  featureDossiers,
  steerAtRandom,
  steerByFeature,
  type Dossier,
} from "../../features/dossiers.ts";
import type { LabelScore } from "../../features/labels.ts";
import { featuresPage } from "../../features/pages/features-page.ts";
import { readSequences } from "../../features/sequences.ts";
import { tokenName } from "../../interpret/answers.ts";
import type { LanguageModel } from "../../generate/language-model.ts";
import type { Dictionary } from "../../features/dictionary.ts";
import { defineCommand } from "../command.ts";
import { DICTIONARY_ARGUMENT, openDictionary, textsOf } from "../features.ts";
import { FLAGS, flags } from "../flags.ts";
import { askForLabels, LABEL_OPTIONS, readLabels } from "../labels.ts";
import { pageFacts, writePage } from "../inspect.ts";
import { provenance } from "../open-model.ts";

export const command = defineCommand({
  description:
    "Says of features where in texts they fire most, for how many tokens, which next tokens they promote, and which other features point the same way, and with --label-with what a model behind an endpoint says that they stand for, with what that is worth: the share of texts, seen by nobody before, that the label tells right, beside the label of another feature; with --steer also what a prompt becomes when one is added, beside a random direction as long.",
  arguments: {
    dictionary: DICTIONARY_ARGUMENT,
  },
  options: {
    ...flags("model", "mode", "device", "threads", "data", "seed", "out"),
    feature: z
      .array(z.int().min(0))
      .min(1)
      .optional()
      .describe("which; by default those that fire most, for at most a tenth of the tokens")
      .meta({ placeholder: "0,3-5" }),
    limit: FLAGS.limit.default(12),
    readTokens: z
      .int()
      .min(2)
      .default(20_000)
      .describe("tokens of the texts to read at most")
      .meta({ placeholder: "count" }),
    steer: z
      .string()
      .min(1)
      .optional()
      .describe("a prompt that is continued with the first feature added")
      .meta({ verbatim: true, placeholder: "prompt" }),
    strength: z
      .number()
      .optional()
      .describe("how much of it; by default its largest activation")
      .meta({ placeholder: "number" }),
    maxTokens: FLAGS.maxTokens.default(24),
    ...LABEL_OPTIONS,
  },
  examples: [
    { command: "philab sae features phi-nano.transcoder-3", does: "one of the bundled model's" },
    {
      command: "philab sae features ./my-sae --data texts.jsonl --out features.html",
      does: "a page of features",
    },
    {
      command:
        'philab sae features ./my-sae --data texts.jsonl --feature 17 --steer "Once upon a time"',
      does: "one feature, and what adding it does",
    },
    {
      command:
        "philab sae features ./my-sae --data texts.jsonl --label-with http://localhost:8000/v1 --label-model phi-4",
      does: "labels, kept in labels.json",
    },
  ],
  async run(context) {
    const { args, options, settings, cwd, output, signal, commandLine } = context;
    const { opened, dictionary, folder } = await openDictionary(context, args.dictionary);
    await using model = opened.model;
    const texts = await textsOf(context, { data: options.data, folder });
    const sequences = await readSequences(model, [texts], {
      tokens: options.readTokens,
      length: Math.min(128, model.contextLength),
    });
    using progress = output.progress({ label: "sae features", unit: "texts" });
    const { dossiers, density, tokens } = await featureDossiers(model, dictionary, sequences, {
      ...{ features: options.feature, limit: options.limit, signal },
      onProgress: (done, total) => progress.update(done, { total }),
    });
    progress.finish();
    const named = (id: number): string => tokenName(model, id);
    const { labelWith: url, labelModel: name } = options;
    const labelFolder = options.labels === undefined ? folder : path.resolve(cwd, options.labels);
    const known = await readLabels(labelFolder);
    const features = dossiers.map(({ feature }) => feature);
    if (url !== undefined) {
      const without = await askForLabels(context, {
        ...{ url, name, folder: labelFolder, known, model, dictionary, sequences, features },
        ...{ tokenName: named, seed: settings.seed },
      });
      if (without > 0) output.warn(`${without} features got no label`);
    }
    const said = dossiers.map((own) => ({
      ...own,
      label: known.labels[own.feature] ?? null,
      score: known.scores[own.feature] ?? null,
    }));
    const [first] = dossiers;
    const steered =
      options.steer === undefined || first === undefined
        ? []
        : await steer(model, dictionary, first, {
            prompt: options.steer,
            strength: options.strength ?? first.activations[0]?.value ?? 1,
            maxTokens: options.maxTokens,
            seed: settings.seed,
          });
    const written = await writePage(context, options.out, () =>
      featuresPage({
        title: `Features of ${dictionary.output}`,
        facts: pageFacts(opened, commandLine, [["tokens read", String(tokens)]]),
        ...{ dossiers, density, tokenName: named, steered, labels: known.labels },
      }),
    );
    output.result(
      {
        ...provenance(opened, commandLine),
        ...{ hook: dictionary.output, tokens, steered },
        features: said.map(({ score, ...own }) => ({
          ...own,
          score: score === null ? null : { ...score },
          activations: own.activations.map((a) => ({ ...a })),
        })),
        ...written,
      },
      () =>
        [
          table(said, named),
          ...steered.map(({ name, text }) => visibleLine(`${name}: ${text}`)),
        ].join("\n"),
    );
  },
});

async function steer(
  model: LanguageModel,
  dictionary: Dictionary,
  { feature }: Dossier,
  {
    prompt,
    strength,
    maxTokens,
    seed,
  }: { prompt: string; strength: number; maxTokens: number; seed: number },
): Promise<{ name: string; text: string }[]> {
  const variants = [
    { name: "as it is", edits: [] },
    { name: `feature ${feature}`, edits: [steerByFeature(dictionary, feature, strength)] },
    { name: "at random", edits: [steerAtRandom(dictionary, feature, { strength, seed })] },
  ];
  const found: { name: string; text: string }[] = [];
  for (const { name, edits } of variants) {
    const { text } = await model.complete(prompt, { maxTokens, temperature: 0, edits });
    found.push({ name, text });
  }
  return found;
}

type Said = Dossier & { label: string | null; score: LabelScore | null };

function table(dossiers: readonly Said[], named: (id: number) => string): string {
  const labelled = dossiers.some(({ label }) => label !== null);
  const worth = (score: LabelScore | null): string[] =>
    (["detection", "control"] as const).map((what) => {
      const value = score?.[what] ?? null;
      return value === null ? "" : formatPercent(value, 0);
    });
  return formatTable(
    [
      { title: "feature", align: "right" },
      { title: "fires", align: "right" },
      { title: "most at" },
      { title: "promotes" },
      ...(labelled
        ? ([
            { title: "detects", align: "right" },
            { title: "another's", align: "right" },
            { title: "label" },
          ] as const)
        : []),
    ],
    dossiers.map(({ feature, density, activations, promoted, label, score }) => [
      String(feature),
      formatPercent(density, 2),
      visibleLine(
        activations
          .slice(0, 4)
          .map(
            ({ ids, at, value }) =>
              `${JSON.stringify(named(ids[at] as number))} ${formatNumber(value, 2)}`,
          )
          .join(" "),
      ),
      visibleLine(
        promoted
          .slice(0, 4)
          .map(({ token }) => JSON.stringify(named(token)))
          .join(" "),
      ),
      ...(labelled ? [...worth(score), visibleLine(label ?? "")] : []),
    ]),
  );
}
