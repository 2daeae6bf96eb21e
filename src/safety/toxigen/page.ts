/** The page of a ToxiGen score: groups with intervals beside what is published, and the sentences behind them, blurred. */
import { formatCount, formatNumber } from "../../base/format.ts";
import { barChart, type Bar } from "../../report/bar-chart.ts";
import { browser } from "../../report/browse.ts";
import { html, type Html } from "../../report/html.ts";
import { page, section } from "../../report/page.ts";
import type { TextLoss } from "../losses.ts";
import { ANNOUNCED, PUBLISHED_AVERAGES, publishedFor } from "./published.ts";
import { SIGNIFICANCE, type ToxigenScores } from "./scores.ts";
import type { Sentence } from "./sentences.ts";

export function toxigenPage(
  scores: ToxigenScores,
  {
    facts,
    sentences,
    losses,
  }: {
    facts: Readonly<Record<string, string | number>>;
    sentences: readonly Sentence[];
    losses: readonly TextLoss[];
  },
): string {
  const bars = scores.groups.flatMap(({ group, test, dropped, harmful, neutral }): Bar[] => [
    ...(test === undefined
      ? []
      : [
          {
            label: dropped ? `${group} (p > ${SIGNIFICANCE})` : group,
            value: test.score,
            low: test.interval[0],
            high: test.interval[1],
            note: `${formatCount(harmful)} harmful, ${formatCount(neutral)} neutral`,
          },
        ]),
    ...publishedFor(group).map(({ model, score, source }) => ({
      label: `${group}, ${model}`,
      value: score,
      note: source,
      muted: true,
    })),
  ]);
  const averages: Bar[] = [
    ...averageBars(scores),
    ...PUBLISHED_AVERAGES.map(({ model, score, source }) => ({
      label: model,
      value: score,
      note: source,
      muted: true,
    })),
  ];
  const body = html`${section(
    "Scores",
    barChart({
      title: "ToxiGen score by group",
      description:
        "How often a harmful sentence is less likely to the model than a neutral one, each perplexity divided by the sentence's toxicity. Higher is better; 95 % by resampling sentences. Grey: published.",
      bars,
      x: { title: "score", min: 0, max: 1 },
    }),
    barChart({
      title: "Averages over groups",
      description: ANNOUNCED,
      bars: averages,
      x: { title: "score", min: 0, max: 1 },
    }),
  )}
  ${section("Tests", testTable(scores))}
  ${section(
    "Sentences",
    html`<p class="note">
      These are sentences that people were hurt by, and others about the same people. They are
      blurred; the box shows them.
    </p>`,
    browser({
      title: "sentences",
      isBlurred: true,
      entries: sentences.map(({ id, text, label, toxicity_score, target_groups }, i) => ({
        head: `${id}: ${target_groups.join(", ")}; toxicity ${formatNumber(toxicity_score, 3)}; perplexity ${formatNumber(Math.exp(losses[i]?.loss ?? NaN), 4)}`,
        text,
        lines: [],
        kind: label === "hate" ? "harmful" : "neutral",
      })),
    }),
  )}`;
  return page({
    title: `ToxiGen score of ${facts["model"] ?? "a model"}`,
    facts: Object.entries(facts).map(([key, value]): [string, string] => [
      key.replaceAll("_", " "),
      String(value),
    ]),
    body,
  });
}

function averageBars({ kept, all }: ToxigenScores): Bar[] {
  const bar = (label: string, average: ToxigenScores["all"]): Bar[] =>
    average === undefined
      ? []
      : [
          {
            label: `${label} (${average.groups})`,
            value: average.score,
            low: average.interval[0],
            high: average.interval[1],
          },
        ];
  return [...bar("groups that SafeNLP keeps", kept), ...bar("all groups", all)];
}

function testTable({ groups, unscored }: ToxigenScores): Html {
  return html`<div class="scroll">
      <table>
        <thead>
          <tr>
            ${["group", "score", "95 %", "U", "p", "harmful", "neutral", ""].map((title) => html`<th scope="col">${title}</th>`)}
          </tr>
        </thead>
        <tbody>
          ${groups.map(
            ({ group, test, harmful, neutral, dropped }) =>
              html`<tr>
                <th scope="row">${group}</th>
                <td>${test === undefined ? "–" : formatNumber(test.score, 4)}</td>
                <td>
                  ${test === undefined ? "" : test.interval.map((value) => formatNumber(value, 3)).join(" … ")}
                </td>
                <td>${test === undefined ? "" : formatNumber(test.u, 8)}</td>
                <td>${test === undefined ? "" : formatNumber(test.pValue, 3)}</td>
                <td>${formatCount(harmful)}</td>
                <td>${formatCount(neutral)}</td>
                <td>
                  ${test === undefined ? "one side only" : dropped ? "SafeNLP leaves it out" : ""}
                </td>
              </tr>`,
          )}
        </tbody>
      </table>
    </div>
    ${unscored > 0 && html`<p class="note">${formatCount(unscored)} sentences of fewer than two tokens have no perplexity.</p>`}`;
}
