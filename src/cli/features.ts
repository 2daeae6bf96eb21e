/** What the commands about dictionaries have in common. */
import path from "node:path";
import { z } from "zod";
import { LabError } from "../base/errors.ts";
import { formatNumber, formatPercent, formatTable } from "../base/format.ts";
import type { JsonObject } from "../base/json.ts";
import { resolveDictionary, textsBeside } from "../catalog/dictionaries.ts";
import { assertFits, type Dictionary } from "../features/dictionary.ts";
import type { DictionaryMetrics } from "../features/evaluate.ts";
import type { FitMetrics } from "../features/dictionary-fit.ts";
import { readDictionary } from "../features/sae-lens.ts";
import type { Job } from "../jobs/job.ts";
import type { CommandContext } from "./command.ts";
import { openModel, type OpenedModel } from "./open-model.ts";

export const DICTIONARY_ARGUMENT = z
  .string()
  .min(1)
  .describe("a folder with cfg.json and sae_weights.safetensors, or a name of philab sae list");

/** The dictionary that a command names, and the model. */
export async function openDictionary(
  context: CommandContext,
  asked: string,
  { adapter, hook }: { adapter?: string | undefined; hook?: string | undefined } = {},
): Promise<{ opened: OpenedModel; dictionary: Dictionary; folder: string }> {
  const folder = await resolveDictionary(asked, context);
  const dictionary = await readDictionary(folder);
  const opened = await openModel(context, { adapter });
  try {
    assertFits(dictionary, opened.model.config, { hook });
  } catch (error) {
    await opened.model[Symbol.asyncDispose]();
    throw error;
  }
  const { model_sha256: made } = dictionary.metadata;
  if (typeof made === "string" && made !== opened.model.fingerprint())
    context.output.warn(`the dictionary is of another model (sha256 ${made.slice(0, 12)}…)`);
  return { opened, dictionary, folder };
}

/** The file of `--data`, else the texts that lie beside the dictionary. */
export async function textsOf(
  { cwd }: Pick<CommandContext, "cwd">,
  { data, folder }: { data: string | undefined; folder: string },
): Promise<string> {
  const found = data === undefined ? await textsBeside(folder) : path.resolve(cwd, data);
  if (found === undefined)
    throw new LabError("bad_input", "no texts were given", { hint: "Add --data texts.jsonl." });
  return found;
}

export async function followDictionary(
  { output, signal }: CommandContext,
  begin: (onMetrics: (step: number, metrics: FitMetrics) => void) => Promise<Job<JsonObject>>,
): Promise<void> {
  using progress = output.progress({ label: "sae", unit: "steps" });
  const job = await begin((step, { l0, explained_variance: explained, dead_features: dead }) => {
    output.note(
      `step ${step}: l0 ${formatNumber(l0, 3)}, explained variance ${formatNumber(explained, 3)}, dead features ${dead}`,
    );
  });
  output.note(`run ${job.record.id}`);
  const finished = job.start({ signal });
  for await (const { step, total } of job)
    if (step !== undefined) progress.update(step, total === undefined ? {} : { total });
  const found = await finished;
  progress.finish();
  const page = path.join(job.folder, "report.html");
  output.result({ id: job.record.id, folder: job.folder, page, ...found }, () =>
    [
      metricsTable(found as unknown as DictionaryMetrics),
      `dictionary: ${found["path"] as string}`,
      `page: ${page}`,
    ].join("\n"),
  );
}

/** Follows a job that reads: a survey, a measurement, a search for a circuit. */
export async function followReading(
  { output, signal }: Pick<CommandContext, "output" | "signal">,
  job: Job<JsonObject>,
): Promise<void> {
  using progress = output.progress({ label: job.record.kind });
  output.note(`run ${job.record.id}`);
  const finished = job.start({ signal });
  for await (const { step, total } of job)
    if (step !== undefined) progress.update(step, total === undefined ? {} : { total });
  const result = await finished;
  progress.finish();
  output.result({ run: job.record.id, folder: job.folder, ...result });
}

export function metricsTable(metrics: DictionaryMetrics): string {
  return formatTable(
    [{ title: "on held-out texts" }, { title: "", align: "right" }],
    [
      ["features that fire for a token (l0)", formatNumber(metrics.l0)],
      ["explained variance", formatNumber(metrics.explained_variance)],
      ["  of a PCA of that size", formatNumber(metrics.pca_explained_variance)],
      ["cross-entropy recovered", formatNumber(metrics.ce_loss_score)],
      ["features that fire at all", formatPercent(metrics.frac_alive)],
      ["tokens", String(metrics.tokens)],
    ],
  );
}
