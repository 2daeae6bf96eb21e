/** Follows attacks to their ends: begun, or gone on with. */
import path from "node:path";
import { formatCount, formatNumber, formatTable } from "../base/format.ts";
import type { JsonObject } from "../base/json.ts";
import type { Job } from "../jobs/job.ts";
import { gcgJob } from "../safety/redteam/gcg-job.ts";
import { probeJob, type ProbeResult } from "../safety/redteam/probe-job.ts";
import type { CommandContext } from "./command.ts";
import { openTarget } from "./evaluation.ts";
import { openForJob } from "./open-model.ts";

export async function followGcg(
  context: CommandContext,
  begin: (definition: ReturnType<typeof gcgJob>) => Promise<Job<JsonObject>>,
): Promise<void> {
  const job = await begin(gcgJob(openForJob(context)));
  await follow(context, job, { label: "gcg", unit: "steps", table: gcgTable });
}

export async function followProbes(
  context: CommandContext,
  begin: (definition: ReturnType<typeof probeJob>) => Promise<Job<JsonObject>>,
): Promise<void> {
  const job = await begin(probeJob((asked) => openTarget(context, asked)));
  await follow(context, job, { label: "probes", unit: "answers", table: probeTable });
}

async function follow(
  { output, signal }: CommandContext,
  job: Job<JsonObject>,
  { label, unit, table }: { label: string; unit: string; table: (result: JsonObject) => string },
): Promise<void> {
  output.note(`run ${job.record.id}`);
  using progress = output.progress({ label, unit });
  const finished = job.start({ signal });
  for await (const { step, total } of job)
    if (step !== undefined) progress.update(step, total === undefined ? {} : { total });
  const result = await finished;
  progress.finish();
  const page = path.join(job.folder, "report.html");
  output.result({ id: job.record.id, folder: job.folder, page, ...result }, () =>
    [table(result), `page: ${page}`].join("\n"),
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

function probeTable({ probes }: JsonObject): string {
  const rows = Object.entries(probes as unknown as Record<string, ProbeResult>);
  const isJudged = rows.some(([, { verdicts }]) => verdicts !== undefined);
  const titles = [
    "prompts",
    "refused",
    ...(isJudged ? ["complied", "did not", "unclear", "failed"] : []),
  ];
  return formatTable(
    [
      { title: "template" },
      { title: "kind" },
      ...titles.map((title) => ({ title, align: "right" as const })),
    ],
    rows.map(([name, { family, prompts, refused, verdicts }]) => [
      name,
      family === "none" ? "" : family,
      ...[prompts, refused].map((value) => formatCount(value)),
      ...(verdicts === undefined
        ? []
        : [verdicts.complied, verdicts.refused, verdicts.unclear, verdicts.failed].map((value) =>
            formatCount(value),
          )),
    ]),
  );
}
