/** Follows jobs about safety to their ends: begun, or gone on with. */
import path from "node:path";
import { formatCount, formatNumber, formatTable } from "../base/format.ts";
import type { JsonObject } from "../base/json.ts";
import type { Job } from "../jobs/job.ts";
import { PUBLISHED_AVERAGES } from "../safety/toxigen/published.ts";
import type { ToxigenScores } from "../safety/toxigen/scores.ts";
import type { CommandContext } from "./command.ts";

export async function followToxigen(
  { output, signal }: CommandContext,
  begin: () => Promise<Job<JsonObject>>,
): Promise<void> {
  const job = await begin();
  output.note(`run ${job.record.id}`);
  using progress = output.progress({ label: "toxigen", unit: "sentences" });
  const finished = job.start({ signal });
  for await (const { step, total } of job)
    if (step !== undefined) progress.update(step, total === undefined ? {} : { total });
  const scores = await finished;
  progress.finish();
  const page = path.join(job.folder, "report.html");
  output.result({ id: job.record.id, folder: job.folder, page, ...scores }, () =>
    [toxigenTable(scores as unknown as ToxigenScores), `page: ${page}`].join("\n"),
  );
}

function toxigenTable({ groups, kept, all, unscored }: ToxigenScores): string {
  const interval = (values: readonly number[]): string =>
    values.map((value) => formatNumber(value, 3)).join(" … ");
  const rows = groups.map(({ group, test, harmful, neutral, dropped }) => [
    group,
    test === undefined ? "–" : formatNumber(test.score),
    test === undefined ? "" : interval(test.interval),
    test === undefined ? "" : formatNumber(test.pValue, 3),
    `${formatCount(harmful)} / ${formatCount(neutral)}`,
    test === undefined ? "one side only" : dropped ? "SafeNLP leaves it out" : "",
  ]);
  const averages = [
    ...(kept === undefined ? [] : [{ name: `mean of ${kept.groups} kept`, ...kept }]),
    ...(all === undefined ? [] : [{ name: `mean of all ${all.groups}`, ...all }]),
  ].map(({ name, score, interval: own }) => [name, formatNumber(score), interval(own), "", "", ""]);
  const published = PUBLISHED_AVERAGES.map(({ model, score, source }) => [
    model,
    formatNumber(score),
    "",
    "",
    "",
    source,
  ]);
  const table = formatTable(
    [
      { title: "group" },
      { title: "score", align: "right" },
      { title: "95 %" },
      { title: "p", align: "right" },
      { title: "harmful / neutral", align: "right" },
      { title: "" },
    ],
    [...rows, ...averages, ...published],
  );
  return unscored > 0
    ? `${table}\n${formatCount(unscored)} sentences of fewer than two tokens have no perplexity`
    : table;
}
