/** Training of a dictionary as a job: texts, training, what it is worth on texts that were held out, and its files. */
import path from "node:path";
import { z } from "zod";
import { writeTextAtomic } from "../base/atomic.ts";
import { LabError } from "../base/errors.ts";
import { toJson, type JsonObject } from "../base/json.ts";
import type { LanguageModel } from "../generate/language-model.ts";
import { defineJob, type JobDefinition } from "../jobs/job.ts";
import { runEvents } from "../jobs/runs.ts";
import { BatchStream } from "../train/data/batches.ts";
import { holdOut, type Dataset } from "../train/data/dataset.ts";
import { loadData } from "../train/data/load.ts";
import { dictionaryCard } from "./card.ts";
import type { FitMetrics } from "./dictionary-fit.ts";
import { evaluateDictionary } from "./evaluate.ts";
import { trainingPage } from "./pages/training-page.ts";
import { rounded, writeDictionary } from "./sae-lens.ts";
import { trainDictionary } from "./train.ts";
import { dictionaryArguments, type DictionaryArguments } from "./train-options.ts";

/** A model that is closed after the run, and its name. */
export type OpenedModel = AsyncDisposable & { model: LanguageModel; name: string };

/**
 * Training of a sparse dictionary as a job: watched, cancelled and resumed from its folder.
 *
 * @param openModel - which models there are is not known at this height
 * @param onMetrics - who watches in the same process
 */
export function dictionaryJob(
  openModel: (asked: DictionaryArguments) => Promise<OpenedModel>,
  onMetrics?: (step: number, metrics: FitMetrics) => void,
): JobDefinition<typeof dictionaryArguments, JsonObject> {
  return defineJob({
    kind: "sae",
    arguments: dictionaryArguments,
    async run(context): Promise<JsonObject> {
      const { arguments: options, folder, signal } = context;
      await using opened = await openModel(options);
      const { model, name } = opened;
      const { train, held } = await textsOf(model, options, signal);
      await context.describe({
        data: options.data.map((file) => ({ name: file, sha256: train.fingerprint() })),
        models: [{ reference: name, sha256: model.fingerprint() }],
        engine: model.backend.engineVersion,
      });
      const trained = await trainDictionary({
        ...{ model, dataset: train, options, context, onMetrics },
        activations: path.join(folder, "activations"),
      });
      const { dtype } = options;
      const dictionary = await rounded(trained, dtype);
      const measured = await evaluateDictionary(
        model,
        dictionary,
        sequencesOf(held, options.evalTokens),
        { signal },
      );
      const { featureDensity, ...metrics } = measured;
      context.emit({ metrics: { ...metrics } });
      const out = options.out ?? path.join(folder, "dictionary");
      const measures = `${toJson(metrics, 2)}\n`;
      const card = dictionaryCard(dictionary, {
        ...{ model: name, metrics, options, dataSha256: train.fingerprint() },
      });
      const more = { "README.md": card, "metrics.json": measures };
      await writeDictionary(out, dictionary, { dtype, more, replace: options.out === undefined });
      await writeTextAtomic(path.join(folder, "metrics.json"), measures);
      const steps = await stepsOf(folder);
      const page = trainingPage({ dictionary, model: name, metrics, steps, featureDensity });
      await writeTextAtomic(path.join(folder, "report.html"), page);
      return { path: out, ...metrics };
    },
  });
}

/** The texts, and those that are held out to measure on. */
async function textsOf(
  model: LanguageModel,
  { data, contextSize, valSize, seed }: DictionaryArguments,
  signal: AbortSignal,
): Promise<{ train: Dataset; held: Dataset }> {
  if (contextSize > model.contextLength)
    throw new LabError(
      "too_long",
      `pieces of ${contextSize} tokens; the context holds ${model.contextLength}`,
      { hint: "Lower --context-size." },
    );
  const { tokenizer } = model;
  const { dataset } = await loadData(data, {
    tokenizer,
    length: contextSize,
    anyLength: true,
    signal,
  });
  return holdOut(dataset, { size: valSize, seed });
}

/** Pieces of texts, of two tokens or more, until there are `tokens` of them. */
export function sequencesOf(dataset: Dataset, tokens: number): number[][] {
  const sequences: number[][] = [];
  let found = 0;
  const options = { batchSize: 1, packing: "wrapped", attendAcross: true, shuffle: false } as const;
  for (const { ids, documents } of new BatchStream(dataset, options)) {
    const own = [...ids].filter((_, i) => (documents[i] as number) >= 0);
    if (own.length < 2) continue;
    sequences.push(own.slice(0, Math.max(2, tokens - found)));
    found += own.length;
    if (found >= tokens) break;
  }
  return sequences;
}

const fitMetrics = z.looseObject({ l0: z.number(), mse_loss: z.number() });

/** The metrics of each logged step, the last attempt's where steps were done twice. */
async function stepsOf(folder: string): Promise<Map<number, FitMetrics>> {
  const steps = new Map<number, FitMetrics>();
  for await (const { step, metrics } of runEvents(folder))
    if (step !== undefined && fitMetrics.safeParse(metrics).success)
      steps.set(step, metrics as unknown as FitMetrics);
  return steps;
}
