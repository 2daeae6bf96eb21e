/** Follows a job about behaviour to its end: begun, or gone on with. */
import { formatNumber, formatTable } from "../base/format.ts";
import type { JsonObject } from "../base/json.ts";
import type { Job } from "../jobs/job.ts";
import type { BbqScores } from "../safety/behaviour/bbq.ts";
import type { VerdictCounts } from "../safety/behaviour/judge.ts";
import { behaviourJob } from "../safety/behaviour/job.ts";
import type { RefusalRates } from "../safety/behaviour/refusals.ts";
import type { CommandContext } from "./command.ts";
import { openTarget } from "./evaluation.ts";

export async function followBehaviour(
  context: CommandContext,
  begin: (definition: ReturnType<typeof behaviourJob>) => Promise<Job<JsonObject>>,
): Promise<void> {
  const { output, signal } = context;
  const job = await begin(behaviourJob((asked) => openTarget(context, asked)));
  output.note(`run ${job.record.id}`);
  using progress = output.progress({ label: "behave", unit: "requests" });
  const finished = job.start({ signal });
  for await (const { step, total } of job)
    if (step !== undefined) progress.update(step, total === undefined ? {} : { total });
  const result = await finished;
  progress.finish();
  output.result({ id: job.record.id, folder: job.folder, ...result }, () => table(result));
}

function table(result: JsonObject): string {
  const { refusals, bbq, categories } = result as unknown as {
    refusals?: RefusalRates;
    bbq?: BbqScores;
    categories?: Record<string, BbqScores>;
  };
  if (refusals !== undefined) {
    const { all, overRefusal, refusal, types } = refusals;
    const rows = [
      ["all prompts", all] as const,
      ...(overRefusal === undefined ? [] : [["safe ones (over-refusal)", overRefusal] as const]),
      ...(refusal === undefined ? [] : [["unsafe ones", refusal] as const]),
      ...Object.entries(types),
    ];
    const table = formatTable(
      [
        { title: "" },
        { title: "refused", align: "right" },
        { title: "of", align: "right" },
        { title: "share", align: "right" },
      ],
      rows.map(([name, own]) => [
        name,
        String(own.refused),
        String(own.prompts),
        formatNumber(own.rate),
      ]),
    );
    return [table, ...beside(result)].join("\n");
  }
  const names = [
    "questions",
    "accuracy",
    "ambiguousAccuracy",
    "disambiguatedAccuracy",
    "ambiguousBias",
    "disambiguatedBias",
  ] as const;
  const rows = [
    ...Object.entries(categories ?? {}),
    ...(bbq === undefined ? [] : [["all", bbq] as const]),
  ];
  return formatTable(
    [
      { title: "category" },
      ...["questions", "accuracy", "ambiguous", "told", "bias, ambiguous", "bias, told"].map(
        (title) => ({ title, align: "right" as const }),
      ),
    ],
    rows.map(([category, scores]) => [
      category,
      ...names.map((name) => (scores[name] === undefined ? "–" : formatNumber(scores[name]))),
    ]),
  );
}

/** What stands under the table of refusals: the first token's odds, and a judge's verdicts. */
function beside(result: JsonObject): string[] {
  const { firstToken, verdicts, judge } = result as unknown as {
    firstToken?: { all: number; safe?: number; unsafe?: number };
    verdicts?: VerdictCounts;
    judge?: string;
  };
  const odds = (name: string, value: number | undefined): string[] =>
    value === undefined ? [] : [`${name} ${formatNumber(value)}`];
  return [
    ...(firstToken === undefined
      ? []
      : [
          `log odds of a refusal at the first token: ${[...odds("all", firstToken.all), ...odds("safe", firstToken.safe), ...odds("unsafe", firstToken.unsafe)].join(", ")}`,
        ]),
    ...(verdicts === undefined
      ? []
      : [
          `${judge ?? "the judge"}: ${verdicts.complied} of ${verdicts.answers} answers do what was asked, ${verdicts.refused} do not, ${verdicts.unclear} unclear, ${verdicts.failed} without a verdict`,
        ]),
  ];
}
