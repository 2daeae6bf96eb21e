/** The panel of a report, measure by measure. */
import { formatNumber } from "../../../../src/base/format.ts";
import type { ReportResults } from "../../api/safety.ts";

type Score = ReportResults["models"][number]["scores"][number];

export interface PanelRow extends Pick<Score, "name" | "better" | "count"> {
  /** One for each model, in their order. */
  scores: (Score | undefined)[];
  /** From the first model; absent for itself and where there is nothing to compare. */
  changes: (
    { text: string; sign: "▲" | "▼" | "≈" | "="; verdict: "better" | "worse" | "" } | undefined
  )[];
}

export function panelRows({ models }: ReportResults): PanelRow[] {
  return (models[0]?.scores ?? []).map((first) => {
    const { name, better, count } = first;
    const scores = models.map((own) => own.scores.find((score) => score.name === name));
    return {
      ...{ name, better, count, scores },
      changes: scores.map((score, i) =>
        i === 0 || score === undefined ? undefined : changeOf(first, score.value),
      ),
    };
  });
}

/** Better or worse by what the measure wants; neither where it stays within the interval of what it was. */
function changeOf({ value, better, interval }: Score, after: number): PanelRow["changes"][number] {
  const change = after - value;
  const text = `${change > 0 ? "+" : ""}${formatNumber(change, 3)}`;
  const gain =
    better === "higher" ? change : better === "lower" ? -change : Math.abs(value) - Math.abs(after);
  if (!Number.isFinite(gain) || gain === 0) return { text, sign: "=", verdict: "" };
  if (interval !== undefined && after >= interval[0] && after <= interval[1])
    return { text, sign: "≈", verdict: "" };
  return gain > 0 ? { text, sign: "▲", verdict: "better" } : { text, sign: "▼", verdict: "worse" };
}
