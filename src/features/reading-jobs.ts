/** Texts read with a dictionary, as jobs: what every feature stands for, and what the dictionary is worth. */
import path from "node:path";
import { writeTextAtomic } from "../base/atomic.ts";
import { toJson, type JsonObject } from "../base/json.ts";
import type { LanguageModel } from "../generate/language-model.ts";
import { tokenName } from "../interpret/answers.ts";
import { defineJob, type JobContext, type JobDefinition } from "../jobs/job.ts";
import { assertFits, type Dictionary } from "./dictionary.ts";
import { featureDossiers } from "./dossiers.ts";
import { evaluateDictionary } from "./evaluate.ts";
import type { OpenedModel } from "./job.ts";
import { readingArguments, type ReadingArguments } from "./reading-arguments.ts";
import { readDictionary } from "./sae-lens.ts";
import { readSequences } from "./sequences.ts";
import { writeSurvey } from "./survey.ts";

type OpenModel = (asked: ReadingArguments) => Promise<OpenedModel>;
type Context = JobContext<ReadingArguments>;

interface Reading {
  model: LanguageModel;
  dictionary: Dictionary;
  sequences: number[][];
  context: Context;
}

/** Opens everything, and keeps on record what it was. */
async function withReading(
  openModel: OpenModel,
  context: Context,
  work: (reading: Reading) => Promise<JsonObject>,
): Promise<JsonObject> {
  const { arguments: asked } = context;
  const dictionary = await readDictionary(asked.dictionary);
  await using opened = await openModel(asked);
  const { model, name } = opened;
  assertFits(dictionary, model.config);
  await context.describe({
    data: asked.data.map((file) => ({ name: file })),
    models: [{ reference: name, sha256: model.fingerprint() }],
    engine: model.backend.engineVersion,
  });
  const sequences = await readSequences(model, asked.data, {
    tokens: asked.readTokens,
    length: Math.min(asked.contextSize, model.contextLength),
  });
  return await work({ model, dictionary, sequences, context });
}

/** Every feature's dossier, in `survey.ts`' files. */
export function surveyJob(
  openModel: OpenModel,
): JobDefinition<typeof readingArguments, JsonObject> {
  return defineJob({
    kind: "sae-features",
    arguments: readingArguments,
    run: (context) =>
      withReading(openModel, context, async ({ model, dictionary, sequences }) => {
        const { latents } = dictionary.sizes;
        const { dossiers, density, tokens } = await featureDossiers(model, dictionary, sequences, {
          features: Array.from({ length: latents }, (_, feature) => feature),
          signal: context.signal,
          onProgress: (done, total) => context.progress(done, { total }),
        });
        await writeSurvey(context.folder, dossiers, (id) => tokenName(model, id));
        const alive = density.reduce((sum, share) => sum + (share > 0 ? 1 : 0), 0);
        return { dictionary: context.arguments.dictionary, features: latents, alive, tokens };
      }),
  });
}

/** `evaluateDictionary`, whose metrics are the result. */
export function evaluationJob(
  openModel: OpenModel,
): JobDefinition<typeof readingArguments, JsonObject> {
  return defineJob({
    kind: "sae-eval",
    arguments: readingArguments,
    run: (context) =>
      withReading(openModel, context, async ({ model, dictionary, sequences }) => {
        const { featureDensity: _, ...metrics } = await evaluateDictionary(
          model,
          dictionary,
          sequences,
          {
            signal: context.signal,
            onProgress: (done, total) => context.progress(done, { total }),
          },
        );
        context.emit({ metrics: { ...metrics } });
        const text = `${toJson(metrics, 2)}\n`;
        await writeTextAtomic(path.join(context.folder, "metrics.json"), text);
        return { dictionary: context.arguments.dictionary, ...metrics };
      }),
  });
}
