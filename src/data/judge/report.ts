/** The report on a classifier: how well it tells good from bad, beside the others, and what it thinks of the corpus. */
import { formatCount, formatPercent } from "../../base/format.ts";
import { Random } from "../../base/random.ts";
import { barChart } from "../../report/bar-chart.ts";
import { html, type Html } from "../../report/html.ts";
import { lineChart } from "../../report/line-chart.ts";
import { page, section } from "../../report/page.ts";
import type { Document } from "../document.ts";
import { scoreName } from "./classify-stage.ts";
import { precisionRecall, rocCurve } from "./curves.ts";
import type { Performance, Taught } from "./teach.ts";

const DECILES = 10;
const EXAMPLES = 3;
const SHOWN_CHARACTERS = 700;
/** Documents that are kept while the corpus is read, from which deciles and examples are taken. */
const SAMPLE = 4_000;

/** @param documents - the corpus with its scores */
export async function classifierPage(
  documents: AsyncIterable<Document>,
  { taught, facts }: { taught: Taught; facts: readonly (readonly [string, string])[] },
): Promise<string> {
  const { performances, file } = taught;
  const name = scoreName(file.fitted.kind);
  const { sample, seen } = await drawSample(documents);
  const deciles = intoDeciles(sample, name);
  const [first] = performances as [Performance, ...Performance[]];
  const body = html`${section("Classifiers on examples they have not seen", aucTable(performances), rocChart(performances))}
  ${section("Choosing a threshold", ...thresholdCharts(first))}
  ${section("Calibration", calibrationChart(first))}
  ${section(
    "The corpus",
    barChart({
      title: "Scores by decile",
      description: `Mean of ${name} in each tenth of a sample of ${formatCount(sample.length)} of ${formatCount(seen)} documents`,
      x: { title: name },
      bars: deciles.map((group, i) => ({ label: `${i + 1}`, value: meanScore(group, name) })),
    }),
  )}
  ${section("Examples of every decile, the best first", ...deciles.map((group, i) => decileList(group, { name, number: i + 1 })).reverse())}`;
  return page({ title: `What teaches: ${name}`, facts, body });
}

/** A sample in which each document is as likely (Vitter's algorithm R), in one reading and bounded memory. */
async function drawSample(
  documents: AsyncIterable<Document>,
): Promise<{ sample: Document[]; seen: number }> {
  const random = new Random(0);
  const sample: Document[] = [];
  let seen = 0;
  for await (const document of documents) {
    seen++;
    if (sample.length < SAMPLE) sample.push(document);
    else {
      const at = random.integer(seen);
      if (at < SAMPLE) sample[at] = document;
    }
  }
  return { sample, seen };
}

/** From the worst tenth to the best; empty ones are left out. */
function intoDeciles(sample: readonly Document[], name: string): Document[][] {
  const sorted = [...sample].sort((a, b) => (a.scores[name] ?? 0) - (b.scores[name] ?? 0));
  const at = (decile: number): number => Math.round((decile * sorted.length) / DECILES);
  return Array.from({ length: DECILES }, (_, d) => sorted.slice(at(d), at(d + 1))).filter(
    (group) => group.length > 0,
  );
}

function meanScore(group: readonly Document[], name: string): number {
  return group.reduce((sum, { scores }) => sum + (scores[name] ?? 0), 0) / group.length;
}

function aucTable(performances: readonly Performance[]): Html {
  return html`<table>
    <thead>
      <tr>
        <th>classifier</th>
        <th>ROC-AUC</th>
        <th>calibration error</th>
        <th>Brier score</th>
        <th>best F1: threshold</th>
        <th>precision</th>
        <th>recall</th>
        <th>chosen</th>
      </tr>
    </thead>
    <tbody>
      ${performances.map(
        ({ kind, auc, calibration, cut }) =>
          html`<tr>
            <td>${kind}</td>
            <td>${auc.toFixed(4)}</td>
            <td>${calibration.expectedError.toFixed(3)}</td>
            <td>${calibration.brier.toFixed(3)}</td>
            <td>${cut.threshold.toFixed(3)}</td>
            <td>${cut.precision.toFixed(3)}</td>
            <td>${cut.recall.toFixed(3)}</td>
            <td>${formatPercent(cut.share)}</td>
          </tr>`,
      )}
    </tbody>
  </table>`;
}

function rocChart(performances: readonly Performance[]): Html {
  return lineChart({
    title: "ROC curves",
    description: "Share of the good that is chosen against the share of the bad that is.",
    x: { title: "bad ones chosen", min: 0, max: 1 },
    y: { title: "good ones chosen", min: 0, max: 1 },
    series: performances.map(({ kind, judged }) => {
      const points = rocCurve(judged);
      return {
        name: kind,
        x: points.map(({ falseShare }) => falseShare),
        y: points.map(({ trueShare }) => trueShare),
      };
    }),
  });
}

function thresholdCharts({ judged, kind }: Performance): Html[] {
  const cuts = precisionRecall(judged).reverse();
  const x = cuts.map(({ threshold }) => threshold);
  return [
    lineChart({
      title: `Precision and recall of the ${kind}`,
      description: "Against the threshold: what scores at least that is chosen.",
      x: { title: "threshold" },
      y: { title: "share", min: 0, max: 1 },
      series: [
        { name: "precision", x, y: cuts.map(({ precision }) => precision) },
        { name: "recall", x, y: cuts.map(({ recall }) => recall) },
        { name: "chosen", x, y: cuts.map(({ share }) => share) },
      ],
    }),
  ];
}

function calibrationChart({ calibration: { bins }, kind }: Performance): Html {
  const x = bins.map(({ score }) => score);
  return lineChart({
    title: `Share of good examples against the score of the ${kind}`,
    description: "A calibrated score is the chance of being good: the line lies on the diagonal.",
    x: { title: "mean score", min: 0, max: 1 },
    y: { title: "good", min: 0, max: 1 },
    series: [
      { name: kind, x, y: bins.map(({ good }) => good) },
      { name: "calibrated", x, y: x },
    ],
  });
}

function decileList(
  group: readonly Document[],
  { name, number }: { name: string; number: number },
): Html {
  const step = Math.max(1, Math.floor(group.length / EXAMPLES));
  const shown = group.filter((_, i) => i % step === 0).slice(0, EXAMPLES);
  return html`<details>
    <summary>Decile ${number}: ${name} about ${meanScore(group, name).toFixed(3)}</summary>
    ${shown.map(
      ({ id, text, scores }) =>
        html`<p>${id}: ${(scores[name] ?? 0).toFixed(3)}</p>
          <pre>
${text.slice(0, SHOWN_CHARACTERS)}${text.length > SHOWN_CHARACTERS ? " …" : ""}</pre>`,
    )}
  </details>`;
}
