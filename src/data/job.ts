/** Pipelines as jobs: a folder under `runs/` records each, and an interrupted one goes on. The corpus lies where it was asked for. */
import path from "node:path";
import { z } from "zod";
import { LabError } from "../base/errors.ts";
import type { JsonObject } from "../base/json.ts";
import { listOf } from "../base/suggest.ts";
import { defineJob, type JobDefinition } from "../jobs/job.ts";
import { corpusHash, type Manifest } from "./manifest.ts";
import { mergePipeline, runOneShard, runPipeline, type PipelineOptions } from "./pipeline.ts";
import { parseShard, planPipeline, sourceSchema, type Plan } from "./plan.ts";
import type { StageServices } from "./stage.ts";
import { createStage, stageInputSchema } from "./stages.ts";

/** A recipe: what is read and what is done with it. As YAML it is what `philab data run` takes. */
export const recipeSchema = z.strictObject({
  name: z.string().min(1),
  sources: z.array(sourceSchema).min(1),
  stages: z.array(stageInputSchema).default([]),
  shards: z.int().min(1).max(99_999).optional(),
});
export type Recipe = z.output<typeof recipeSchema>;

export const pipelineArguments = z.strictObject({
  recipe: recipeSchema,
  out: z.string().min(1),
  /** `3/8`: only this shard of the current phase. */
  shard: z.string().optional(),
  /** Only the step that merges the shards of the current phase. */
  merge: z.boolean().default(false),
});

export interface CorpusResult {
  folder: string;
  documents: number;
  textBytes: number;
  rejected: number;
  quarantined: number;
  parts: number;
  sha256: string;
}

/** What a run came to: a corpus, or where it stands between shards. */
export type PipelineResult =
  { corpus: CorpusResult & JsonObject } | { phase: number; next: string };

type PipelineJob = JobDefinition<typeof pipelineArguments, PipelineResult>;

/** The plan of a recipe. Throws as `createStage` and `planPipeline`. */
async function planRecipe(recipe: Recipe, shards = recipe.shards): Promise<Plan> {
  const { name, sources } = recipe;
  return planPipeline({
    name,
    sources,
    stages: await Promise.all(recipe.stages.map(createStage)),
    shards,
  });
}

/** @param services - what stages may ask for, such as a model */
export function pipelineJob(services: StageServices = {}): PipelineJob {
  return defineJob({
    kind: "data",
    arguments: pipelineArguments,
    async run({
      arguments: { recipe, out, shard: asked, merge },
      signal,
      progress,
      emit,
      describe,
    }) {
      const shard = asked === undefined ? undefined : parseShard(asked);
      if (shard !== undefined && recipe.shards !== undefined && recipe.shards !== shard.count)
        throw new LabError(
          "bad_input",
          `the recipe has ${recipe.shards} shards, not ${shard.count}`,
          {
            hint: `Run 0/${recipe.shards} to ${recipe.shards - 1}/${recipe.shards}.`,
          },
        );
      const plan = await planRecipe(recipe, shard?.count);
      if (plan.ignoredFiles.length > 0) emit({ message: ignoredText(plan.ignoredFiles) });
      const options: PipelineOptions = {
        out,
        signal,
        services,
        onProgress: ({ doneBytes, totalBytes, phase, phases, shard: s }) => {
          const message = phases > 1 ? `phase ${phase + 1}/${phases}, shard ${s}` : `shard ${s}`;
          progress(doneBytes, { total: totalBytes, message });
        },
      };
      if (merge) {
        const { phase, manifest } = await mergePipeline(plan, options);
        return manifest === undefined
          ? { phase, next: `run all shards of phase ${phase + 1}` }
          : { corpus: corpusSummary(out, manifest) };
      }
      if (shard !== undefined) {
        const { phase } = await runOneShard(plan, { ...options, shard: shard.index });
        return { phase, next: "merge, once all shards have finished" };
      }
      const manifest = await runPipeline(plan, options);
      await describe({ data: [{ name: recipe.name, sha256: corpusHash(manifest) }] });
      return { corpus: corpusSummary(out, manifest) };
    },
  });
}

/** What a manifest comes to, in a few numbers. */
function corpusSummary(folder: string, manifest: Manifest): CorpusResult & JsonObject {
  const { parts, rejectedParts, quarantined } = manifest;
  const sum = (values: readonly number[]): number => values.reduce((total, v) => total + v, 0);
  return {
    folder,
    documents: sum(parts.map(({ documents }) => documents)),
    textBytes: sum(parts.map(({ textBytes }) => textBytes)),
    rejected: sum(rejectedParts.map(({ documents }) => documents)),
    quarantined,
    parts: parts.length,
    sha256: corpusHash(manifest),
  };
}

function ignoredText(files: readonly string[]): string {
  const named = listOf(
    files.slice(0, 3).map((file) => path.basename(file)),
    "and",
  );
  return `${files.length} files are no data that philab reads, such as ${named}`;
}
