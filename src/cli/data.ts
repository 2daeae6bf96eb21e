/** What the commands of `philab data` have in common: paths as they are meant, the job, its progress and its result. */
import path from "node:path";
import { z } from "zod";
import { formatBytes, formatCount, formatFacts } from "../base/format.ts";
import { expandHome } from "../base/settings.ts";
import { visibleText } from "../base/terminal.ts";
import type { JsonObject } from "../base/json.ts";
import { pipelineJob, type PipelineResult, type Recipe } from "../data/job.ts";
import type { StageServices } from "../data/stage.ts";
import type { LanguageModel } from "../generate/language-model.ts";
import { Job } from "../jobs/job.ts";
import type { CommandContext } from "./command.ts";

type Context = Pick<
  CommandContext,
  "output" | "signal" | "folders" | "cwd" | "commandLine" | "settings" | "sources"
>;

/** Where a corpus goes: every command that makes one takes it. */
export const corpusOut = z
  .string()
  .min(1)
  .describe("the folder of the corpus that is made")
  .meta({ short: "o", placeholder: "folder" });

/** What a command adds to the result of its pipeline. */
export interface Addition {
  value: JsonObject;
  facts: readonly (readonly [name: string, value: string])[];
}

/** What is to be done when the corpus is there, before the result is told. */
interface Follow {
  more?: () => Promise<Addition>;
}

/** Runs a recipe as a job, or goes on with the work that lies in `out`. */
export async function runRecipe(
  context: Context,
  { out, ...rest }: { recipe: Recipe; out: string; shard?: string | undefined; merge?: boolean },
  follow: Follow = {},
): Promise<void> {
  const { folders, cwd, commandLine } = context;
  const { recipe, shard, merge } = rest;
  await using services = stageServices(context);
  const job = await Job.create(pipelineJob(services), {
    runsFolder: folders.runs,
    name: recipe.name,
    arguments: {
      recipe: {
        ...recipe,
        sources: recipe.sources.map((source) => ({ ...source, path: fullPath(source.path, cwd) })),
      },
      out: fullPath(out, cwd),
      ...(shard === undefined ? {} : { shard }),
      ...(merge === undefined ? {} : { merge }),
    },
    provenance: { command: [...commandLine] },
  });
  await followPipeline(context, job, follow);
}

/** Goes on with a run of a recipe. */
export async function resumePipeline(context: Context, folder: string): Promise<void> {
  await using services = stageServices(context);
  await followPipeline(context, await Job.resume(pipelineJob(services), folder));
}

/** Models for stages that ask for one, loaded when they do and closed at the end. */
function stageServices(context: Omit<Context, "commandLine">): StageServices & AsyncDisposable {
  const opened: LanguageModel[] = [];
  return {
    async openModel(name) {
      const { openModel } = await import("./open-model.ts");
      const settings = { ...context.settings, model: name ?? context.settings.model };
      const { model } = await openModel({ ...context, settings });
      opened.push(model);
      return model;
    },
    async [Symbol.asyncDispose]() {
      for (const model of opened) await model[Symbol.asyncDispose]();
    },
  };
}

/** Follows a job of `philab data` to its end. */
async function followPipeline(
  { output, signal }: Pick<Context, "output" | "signal">,
  job: Job<PipelineResult>,
  { more }: Follow = {},
): Promise<void> {
  output.note(`run ${job.record.id}`);
  using progress = output.progress({ label: job.record.name, unit: "B" });
  const finished = job.start({ signal });
  for await (const { step, total, message } of job) {
    if (message !== undefined && step === undefined) output.warn(message);
    if (step !== undefined) progress.update(step, total === undefined ? {} : { total });
  }
  const result = await finished;
  progress.finish();
  const { value, facts } = (await more?.()) ?? { value: {}, facts: [] };
  output.result({ run: job.record.id, ...result, ...value }, () =>
    formatFacts([...resultFacts(result), ...facts]),
  );
}

function resultFacts(result: PipelineResult): [name: string, value: string][] {
  if (!("corpus" in result))
    return [
      ["phase", String(result.phase + 1)],
      ["next", result.next],
    ];
  const { folder, documents, textBytes, rejected, quarantined, parts, sha256 } = result.corpus;
  return [
    ["corpus", visibleText(folder)],
    ["documents", `${formatCount(documents)} in ${formatCount(parts)} parts`],
    ["text", formatBytes(textBytes)],
    ["rejected", formatCount(rejected)],
    ["bad rows", formatCount(quarantined)],
    ["sha256", sha256],
  ];
}

/** A path as it was meant where the command was given. */
export function fullPath(given: string, cwd: string): string {
  return path.resolve(cwd, expandHome(given));
}
