/** Follows attacks to their ends: begun, or gone on with. */
import path from "node:path";
import { formatCount, formatNumber, formatTable } from "../base/format.ts";
import type { JsonObject } from "../base/json.ts";
import type { Job } from "../jobs/job.ts";
import { gcgJob } from "../safety/redteam/gcg-job.ts";
import type { CommandContext } from "./command.ts";
import { openSafetyModel } from "./safety.ts";

export async function followGcg(
  context: CommandContext,
  begin: (definition: ReturnType<typeof gcgJob>) => Promise<Job<JsonObject>>,
): Promise<void> {
  const { output, signal } = context;
  const job = await begin(gcgJob(openSafetyModel(context)));
  output.note(`run ${job.record.id}`);
  using progress = output.progress({ label: "gcg", unit: "steps" });
  const finished = job.start({ signal });
  for await (const { step, total } of job)
    if (step !== undefined) progress.update(step, total === undefined ? {} : { total });
  const result = await finished;
  progress.finish();
  const page = path.join(job.folder, "report.html");
  output.result({ id: job.record.id, folder: job.folder, page, ...result }, () =>
    [gcgTable(result), `page: ${page}`].join("\n"),
  );
}

function gcgTable({ attacks }: JsonObject): string {
  const rows = attacks as {
    steps: number;
    before: number;
    after: number;
    control: number;
    beginsWithTarget: boolean;
    tried: number;
  }[];
  return formatTable(
    [
      { title: "request" },
      ...["steps", "tried", "loss", "after", "random"].map((title) => ({
        title,
        align: "right" as const,
      })),
      { title: "" },
    ],
    rows.map((own, i) => [
      String(i + 1),
      formatCount(own.steps),
      formatCount(own.tried),
      formatNumber(own.before),
      formatNumber(own.after),
      formatNumber(own.control),
      own.beginsWithTarget ? "the answer begins with the target" : "",
    ]),
  );
}
