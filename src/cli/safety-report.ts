/** Follows a safety report to its end: begun, or gone on with. */
import path from "node:path";
import { formatCount, formatNumber, formatTable } from "../base/format.ts";
import type { JsonObject } from "../base/json.ts";
import type { Job } from "../jobs/job.ts";
import { reportJob } from "../safety/report/job.ts";
import type { CommandContext } from "./command.ts";
import { openForJob } from "./open-model.ts";

export async function followReport(
  context: CommandContext,
  begin: (definition: ReturnType<typeof reportJob>) => Promise<Job<JsonObject>>,
): Promise<void> {
  const { output, signal } = context;
  const job = await begin(reportJob(openForJob(context)));
  output.note(`run ${job.record.id}`);
  using progress = output.progress({ label: "report", unit: "models" });
  const finished = job.start({ signal });
  for await (const { step, total } of job)
    if (step !== undefined) progress.update(step, total === undefined ? {} : { total });
  const result = await finished;
  progress.finish();
  const page = path.join(job.folder, "report.html");
  output.result({ id: job.record.id, folder: job.folder, page, ...result }, () =>
    [reportTable(result), `page: ${page}`].join("\n"),
  );
}

interface Row {
  name: string;
  value: number;
  count: number;
}

function reportTable({ models, notes }: JsonObject): string {
  const all = models as unknown as {
    role: string;
    scores: Row[];
    drift?: { divergence: number; heads: { layer: number; head: number; distance: number }[] };
  }[];
  const table = formatTable(
    [
      { title: "" },
      ...all.map(({ role }) => ({ title: role, align: "right" as const })),
      { title: "items", align: "right" },
    ],
    (all[0]?.scores ?? []).map(({ name, count }) => [
      name,
      ...all.map(({ scores }) => {
        const found = scores.find((own) => own.name === name);
        return found === undefined ? "–" : formatNumber(found.value);
      }),
      formatCount(count),
    ]),
  );
  const drifts = all.flatMap(({ role, drift }) =>
    drift === undefined
      ? []
      : [
          `${role}: next token moved by ${formatNumber(drift.divergence, 3)} nats on ordinary texts; heads that moved most ${drift.heads
            .slice(0, 3)
            .map(({ layer, head }) => `L${layer}H${head}`)
            .join(", ")}`,
        ],
  );
  return [table, ...drifts, ...(notes as string[])].join("\n");
}
