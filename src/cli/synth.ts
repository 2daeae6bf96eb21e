/** What `philab data synth` and `philab runs resume` have in common: following the job, and its result. */
import { formatBytes, formatCount, formatFacts } from "../base/format.ts";
import { visibleText } from "../base/terminal.ts";
import { embed } from "../data/judge/embed.ts";
import { synthJob, type SynthResult } from "../data/synth/job.ts";
import type { Job } from "../jobs/job.ts";
import type { CommandContext } from "./command.ts";
import { openModel } from "./open-model.ts";

/** The job, with what it needs of this process. */
export function synthJobOf(context: CommandContext): ReturnType<typeof synthJob> {
  return synthJob({
    apiKey: context.env["PHILAB_API_KEY"],
    async embed(name, texts) {
      const { model } = await openModel({
        ...context,
        settings: { ...context.settings, model: name },
      });
      await using opened = model;
      return await embed(opened, texts, { signal: context.signal });
    },
  });
}

export async function followSynth(
  { output, signal }: Pick<CommandContext, "output" | "signal">,
  job: Job<SynthResult>,
): Promise<void> {
  output.note(`run ${job.record.id}`);
  using progress = output.progress({ label: "synth", unit: "parts" });
  const finished = job.start({ signal });
  for await (const { step, total } of job)
    if (step !== undefined) progress.update(step, total === undefined ? {} : { total });
  const result = await finished;
  progress.finish();
  output.result({ run: job.record.id, ...result }, () => resultText(result));
}

function resultText({ folder, documents, textBytes, refused, ...measured }: SynthResult): string {
  const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;
  const reasons = Object.entries(refused).map(([why, count]) => `${formatCount(count)} ${why}`);
  const { distinct, duplicates, repeated, compression } = measured.diversity;
  const { embeddings } = measured;
  return formatFacts([
    ["corpus", visibleText(folder)],
    ["documents", `${formatCount(documents)}, ${formatBytes(textBytes)}`],
    ["refused", reasons.length === 0 ? "none" : reasons.join(", ")],
    ["duplicates", percent(duplicates)],
    ["distinct n-grams", distinct.map((share, i) => `${i + 1}: ${percent(share)}`).join(" · ")],
    ["13-grams seen before", percent(repeated)],
    ["gzip", `${compression.toFixed(1)} : 1`],
    ...(embeddings === undefined
      ? []
      : [
          [
            "cosine distance",
            `${embeddings.distance.toFixed(3)}, to the nearest ${embeddings.nearest.toFixed(3)}`,
          ] as const,
        ]),
  ]);
}
