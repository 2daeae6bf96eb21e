/** Evaluations as a page: scores with intervals beside what is published, every item, scores against size and data. */
import { formatCount, formatNumber, formatPercent } from "../base/format.ts";
import { barChart, type Bar } from "../report/bar-chart.ts";
import { html, type Html } from "../report/html.ts";
import { lineChart } from "../report/line-chart.ts";
import { page, section } from "../report/page.ts";
import type { TaskComparison } from "./compare.ts";
import { headline, readSamples, type Finished, type Sample } from "./finished.ts";
import { publishedFor } from "./published.ts";

/** Items of each task that the page shows; the files have them all. */
const SHOWN_ITEMS = 40;
const SHOWN_TEXT = 1_200;
const MAX_LINES = 8;

/** A model's size and training, where somebody says them: for the emergent-ability plot. */
export interface ModelScale {
  /** Billions of parameters. */
  size?: number | undefined;
  /** Billions of tokens seen. */
  tokens?: number | undefined;
}

/** The text of the page. */
export async function evaluationPage(
  runs: readonly Finished[],
  {
    comparisons = [],
    scales = [],
  }: { comparisons?: readonly TaskComparison[]; scales?: readonly ModelScale[] } = {},
): Promise<string> {
  const tasks = [...new Set(runs.flatMap(({ results }) => Object.keys(results.results)))];
  const asked = tasks.filter((task) => runs.some(({ results }) => task in results.task_hashes));
  const items: Html[] = [];
  for (const task of asked.slice(0, 30))
    for (const run of runs) items.push(await itemList(run, task));
  const body = html`${section("Scores", ...tasks.map((task) => scoreChart(task, runs)))}
  ${comparisons.length > 0 && section("Item by item", comparisonTable(comparisons, runs))}
  ${section("Size and data", ...scalePlots(tasks, runs, scales))} ${section("Items", ...items)}`;
  return page({
    title: `Evaluation of ${runs.map(({ name }) => name).join(" and ")}`,
    facts: runs.flatMap(({ name, results }, i): [string, string][] => [
      [runs.length > 1 ? `run ${i + 1}` : "model", name],
      ...Object.entries(results.config)
        .filter(
          ([key, value]) =>
            key !== "model_args" && (typeof value === "string" || typeof value === "number"),
        )
        .map(([key, value]): [string, string] => [key.replaceAll("_", " "), String(value)]),
    ]),
    body,
  });
}

function scoreChart(task: string, runs: readonly Finished[]): Html {
  const bars: Bar[] = [];
  for (const { name, results } of runs) {
    const own = results.results[task] ?? {};
    for (const key of Object.keys(own).filter((k) => k.includes(",") && !k.includes("_stderr,"))) {
      const value = Number(own[key]);
      const [metric = "", filter = ""] = key.split(",");
      const error = Number(own[`${metric}_stderr,${filter}`]);
      const [low, high] = results.intervals[task]?.[key] ?? [
        value - 1.96 * error,
        value + 1.96 * error,
      ];
      const known = Number.isFinite(low) && Number.isFinite(high);
      bars.push({
        label: `${runs.length > 1 ? `${name} ` : ""}${metric}${filter === "none" ? "" : ` ${filter}`}`,
        value,
        ...(known ? { low, high } : {}),
        note: `${formatCount(Number(own["sample_len"]))} items`,
      });
    }
  }
  const published = publishedFor(task);
  bars.push(
    ...published.map(({ model, value, source }) => ({
      label: model,
      value,
      note: source,
      muted: true,
    })),
  );
  const sources = [...new Set(published.map(({ source }) => source))];
  return barChart({
    title: task,
    description: [
      "95 % intervals by resampling items.",
      ...(sources.length > 0 ? [`Grey: ${sources.join("; ")}.`] : []),
    ].join(" "),
    bars,
    x: { title: "score" },
  });
}

function comparisonTable(
  comparisons: readonly TaskComparison[],
  [first, second]: readonly Finished[],
): Html {
  return html`<div class="scroll">
    <table>
      <thead>
        <tr>
          ${["task", first?.name ?? "", second?.name ?? "", "difference", "95 %", "p", "items"].map((title) => html`<th scope="col">${title}</th>`)}
        </tr>
      </thead>
      <tbody>
        ${comparisons.map(
          ({ task, metric, values, difference, interval, pValue, items }) =>
            html`<tr>
              <th scope="row">${task} ${metric}</th>
              ${[...values, difference].map((value) => html`<td>${formatNumber(value)}</td>`)}
              <td>${interval.map((value) => formatNumber(value, 3)).join(" … ")}</td>
              <td>${formatNumber(pValue, 2)}</td>
              <td>${formatCount(items)}</td>
            </tr>`,
        )}
      </tbody>
    </table>
  </div>`;
}

/** Scores against parameters and against tokens seen, for tasks that something is published about. */
function scalePlots(
  tasks: readonly string[],
  runs: readonly Finished[],
  scales: readonly ModelScale[],
): Html[] {
  const plots: Html[] = [];
  for (const [axis, title] of [
    ["size", "parameters, billions"],
    ["tokens", "tokens seen, billions"],
  ] as const) {
    const series = tasks.flatMap((task) => {
      const peers = publishedFor(task).flatMap((entry) => {
        const x = entry[axis];
        return x === undefined ? [] : [{ x, y: entry.value }];
      });
      const own = runs.flatMap(({ results }, i) => {
        const key = headline(results.results[task] ?? {});
        const x = scales[i]?.[axis];
        return key === undefined || x === undefined
          ? []
          : [{ x, y: Number(results.results[task]?.[key]) }];
      });
      const points = [...peers, ...own].sort((a, b) => a.x - b.x);
      return points.length < 2
        ? []
        : [{ name: task, x: points.map(({ x }) => x), y: points.map(({ y }) => y) }];
    });
    if (series.length === 0) continue;
    series.splice(MAX_LINES); // more cannot be told apart
    plots.push(
      lineChart({
        title: `Scores by ${title.split(",")[0]}`,
        description:
          "Published models and these runs; an ability that emerges is a line that leaves chance.",
        series,
        x: { title, log: true },
        y: { title: "score", min: 0, max: 1 },
      }),
    );
  }
  return plots.length > 0 ? plots : [html`<p>Nothing is published about these tasks.</p>`];
}

async function itemList(run: Finished, task: string): Promise<Html> {
  const samples = await readSamples(run, task);
  const shown = samples.slice(0, SHOWN_ITEMS);
  const right = samples.filter((sample) => isRight(sample)).length;
  return html`<details>
    <summary>
      ${task}, ${run.name}: ${formatCount(samples.length)}
      items${samples.length > 0 && html`, ${formatPercent(right / samples.length)} right`}
    </summary>
    ${shown.map(itemView)}
    ${samples.length > shown.length && html`<p class="note">The first ${formatCount(shown.length)}; samples_${task}.jsonl has all.</p>`}
  </details>`;
}

function isRight(sample: Sample): boolean {
  return sample[sample.metrics[0] ?? ""] === 1;
}

function itemView(sample: Sample): Html {
  const requests = Object.values(sample.arguments);
  const shared = requests[0]?.arg_0 ?? "";
  const answers = requests.map(({ arg_0: context, arg_1: continuation }, i) => {
    const response = sample.resps[i]?.[0];
    const given = Array.isArray(response) ? formatNumber(Number(response[0]), 5) : String(response);
    const asked = typeof continuation === "string" ? continuation : "";
    return html`<li>${context === shared ? asked : context.slice(-80) + asked} → ${given}</li>`;
  });
  const cut = shared.length > SHOWN_TEXT ? `… ${shared.slice(-SHOWN_TEXT)}` : shared;
  return html`<article>
    <p>
      <strong>${isRight(sample) ? "✓" : "✗"} ${sample.doc_id}</strong> target:
      ${sample.target.slice(0, 200)}
    </p>
    <pre>${"\n"}${cut}</pre>
    <ul>
      ${answers}
    </ul>
  </article>`;
}
