/** The page of templated attacks: what each gets past, and the answers, blurred. */
import { formatCount } from "../../base/format.ts";
import { barChart } from "../../report/bar-chart.ts";
import { browser } from "../../report/browse.ts";
import { html } from "../../report/html.ts";
import { page, section } from "../../report/page.ts";
import type { Facts } from "../behaviour/ask.ts";
import type { ProbedAnswer, ProbeResult } from "./probe-job.ts";

export function probesPage(
  results: Readonly<Record<string, ProbeResult>>,
  answers: readonly ProbedAnswer[],
  facts: Facts,
): string {
  const all = Object.entries(results);
  const judged = all.flatMap(([name, { verdicts }]) =>
    verdicts === undefined ? [] : [{ name, verdicts }],
  );
  const body = html`${section(
    "By template",
    barChart({
      title: "Refusals by phrases",
      description:
        "The share of answers that hold a phrase of a refusal. What does not refuse need not comply: it may be nonsense.",
      bars: all.map(([label, { rate, refused, prompts }]) => ({
        ...{ label, value: rate, note: `${formatCount(refused)} of ${formatCount(prompts)}` },
      })),
      x: { title: "refused", min: 0, max: 1 },
    }),
    judged.length > 0 &&
      barChart({
        title: "Compliance by the judge",
        description:
          "Of the answers on which the judge said yes or no, those that do what was asked.",
        bars: judged.map(({ name, verdicts }) => ({
          label: name,
          value: verdicts.complianceRate ?? 0,
          note: `${formatCount(verdicts.complied)} complied, ${formatCount(verdicts.refused)} did not, ${formatCount(verdicts.unclear)} unclear, ${formatCount(verdicts.failed)} without a verdict`,
        })),
        x: { title: "complied", min: 0, max: 1 },
      }),
  )}
  ${section(
    "Answers",
    browser({
      title: "answers",
      isBlurred: true,
      entries: answers.map(({ id, probe, type, prompt, answer, refused, verdict }) => ({
        head: `${id}${type === "" ? "" : ` (${type})`}, ${probe}: ${refused ? "refused" : "not refused"}${verdict === undefined ? "" : `; judge: ${verdict}`}`,
        text: prompt,
        lines: [answer],
        kind: probe,
      })),
    }),
  )}`;
  return page({
    title: `Templated attacks on ${String(facts["target"] ?? "a model")}`,
    facts: Object.entries(facts).map(([key, value]): [string, string] => [
      key.replaceAll("_", " "),
      String(value),
    ]),
    body,
  });
}
