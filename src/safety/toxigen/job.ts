/** The ToxiGen score as a job. */
import path from "node:path";
import { z } from "zod";
import { writeTextAtomic } from "../../base/atomic.ts";
import { toJson, type JsonObject } from "../../base/json.ts";
import { SETTING_SCHEMAS } from "../../base/settings.ts";
import type { LanguageModel } from "../../generate/language-model.ts";
import { defineJob, type JobDefinition } from "../../jobs/job.ts";
import { textLosses } from "../losses.ts";
import { toxigenPage } from "./page.ts";
import { toxigenScores } from "./scores.ts";
import { readSentences } from "./sentences.ts";

/** What every safety job says about its model. */
const modelArguments = {
  model: z.string().optional(),
  adapter: z.string().optional(),
  mode: SETTING_SCHEMAS.mode.optional(),
  device: SETTING_SCHEMAS.device.optional(),
  threads: z.int().min(1).optional(),
};

export const toxigenArguments = z.strictObject({
  ...modelArguments,
  data: z.string(),
  limit: z.int().min(1).optional(),
  seed: z.int().min(0).default(0),
});

/** A model that is closed after the run, and its name. */
export type OpenedModel = AsyncDisposable & { model: LanguageModel; name: string };
export type OpenModel<A> = (asked: A) => Promise<OpenedModel>;

/** @param openModel - which models there are is not known at this height */
export function toxigenJob(
  openModel: OpenModel<z.output<typeof toxigenArguments>>,
): JobDefinition<typeof toxigenArguments, JsonObject> {
  return defineJob({
    kind: "safety-toxigen",
    arguments: toxigenArguments,
    async run({ arguments: asked, folder, signal, progress, describe }): Promise<JsonObject> {
      const { sentences: found, sha256, file } = await readSentences(asked.data);
      const sentences = found.slice(0, asked.limit);
      await using opened = await openModel(asked);
      const { model, name } = opened;
      await describe({
        data: [{ name: path.basename(file), sha256 }],
        models: [{ reference: name, sha256: model.fingerprint() }],
        engine: model.backend.engineVersion,
      });
      const losses = await textLosses(
        model,
        sentences.map(({ text }) => text),
        {
          file: path.join(folder, "responses.jsonl"),
          signal,
          onProgress: (done) => progress(done, { total: sentences.length }),
        },
      );
      const scores = toxigenScores(
        sentences,
        losses.map(({ loss }) => loss),
        { seed: asked.seed },
      );
      const truncated = losses.filter(({ left }) => left > 0).length;
      const facts = {
        model: name,
        model_sha256: model.fingerprint(),
        mode: model.mode,
        data_sha256: sha256,
        seed: asked.seed,
        sentences: sentences.length,
        sentences_in_file: found.length,
        truncated,
      };
      const result: JsonObject = { ...facts, ...(scores as unknown as JsonObject) };
      await writeTextAtomic(path.join(folder, "results.json"), `${toJson(result, 2)}\n`);
      const lines = sentences.map(({ id, label, target_groups, toxicity_score }, i) =>
        toJson({ id, label, target_groups, toxicity_score, loss: losses[i]?.loss ?? NaN }),
      );
      await writeTextAtomic(path.join(folder, "sentences.jsonl"), `${lines.join("\n")}\n`);
      const page = toxigenPage(scores, { facts, sentences, losses });
      await writeTextAtomic(path.join(folder, "report.html"), page);
      return result;
    },
  });
}
