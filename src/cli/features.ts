/** What the commands about dictionaries have in common. */
import path from "node:path";
import { formatNumber, formatPercent, formatTable } from "../base/format.ts";
import { LabError } from "../base/errors.ts";
import type { JsonObject } from "../base/json.ts";
import type { DictionaryMetrics } from "../features/evaluate.ts";
import type { FitMetrics } from "../features/dictionary-fit.ts";
import type { LanguageModel } from "../generate/language-model.ts";
import type { Job } from "../jobs/job.ts";
import { readTexts } from "../train/data/texts.ts";
import type { CommandContext } from "./command.ts";

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

/** Pieces of texts of two tokens or more, `tokens` of them at most: of files, or of lines of one. */
export async function readSequences(
  model: LanguageModel,
  paths: readonly string[],
  { tokens, length }: { tokens: number; length: number },
): Promise<number[][]> {
  const sequences: number[][] = [];
  let found = 0;
  for await (const text of readTexts(paths)) {
    const ids = [...model.tokenizer.promptIds(text)];
    for (let start = 0; start < ids.length && found < tokens; start += length) {
      const piece = ids.slice(start, Math.min(start + length, start + tokens - found));
      if (piece.length < 2) continue;
      sequences.push(piece);
      found += piece.length;
    }
    if (found >= tokens) break;
  }
  if (sequences.length === 0)
    throw new LabError("bad_input", `${paths.join(", ")}: no text of two tokens or more`);
  return sequences;
}
