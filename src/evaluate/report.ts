/** Evaluations as a page: scores with intervals beside what is published, every item, scores against size and data. */
import { formatCount, formatNumber, formatPercent } from "../base/format.ts";
import { barChart, type Bar } from "../report/bar-chart.ts";
import { browser, type BrowsedEntry } from "../report/browse.ts";
import { html, type Html } from "../report/html.ts";
import { lineChart } from "../report/line-chart.ts";
import { page, section } from "../report/page.ts";
import type { TaskComparison } from "./compare.ts";
import { headline, readSamples, type Finished, type Sample } from "./finished.ts";
import { publishedFor } from "./published.ts";

/** Characters of all prompts together that a page may hold: above them, long prompts lose their beginnings. */
const PAGE_CHARACTERS = 20_000_000;
const MIN_TEXT = 300;
const MAX_TEXT = 8_000;
/** A beginning that prompts share is told once, where it is at least this long. */
const MIN_SHARED = 200;
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
  const count = runs.reduce(
    (sum, { results }) =>
      sum + Object.values(results["n-samples"]).reduce((own, { effective }) => own + effective, 0),
    0,
  );
  const textLimit = Math.min(MAX_TEXT, Math.max(MIN_TEXT, Math.floor(PAGE_CHARACTERS / count)));
  for (const task of asked)
    for (const run of runs)
      if (task in run.results.task_hashes) items.push(await itemList(run, task, textLimit));
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

function comparisonTable(comparisons: readonly TaskComparison[], runs: readonly Finished[]): Html {
  return html`<div class="scroll">
    <table>
      <thead>
        <tr>
          ${["task", `run 1: ${runs[0]?.name ?? ""}`, "other", "", "difference", "95 %", "p", "items"].map((title) => html`<th scope="col">${title}</th>`)}
        </tr>
      </thead>
      <tbody>
        ${comparisons.map(
          ({ task, metric, other, values, difference, interval, pValue, items }) =>
            html`<tr>
              <th scope="row">${task} ${metric}</th>
              <td>${formatNumber(values[0])}</td>
              <td>run ${other + 1}: ${runs[other]?.name ?? ""}</td>
              ${[values[1], difference].map((value) => html`<td>${formatNumber(value)}</td>`)}
              <td>${interval.map((value) => formatNumber(value, 3)).join(" … ")}</td>
              <td>${formatNumber(pValue, 2)}</td>
              <td>${formatCount(items)}</td>
            </tr>`,
        )}
      </tbody>
    </table>
  </div>`;
}

/** Scores against parameters and against tokens seen: a line through these runs, one through what is published. */
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
        const x = scales[i]?.[axis] ?? (axis === "size" ? sizeOf(results.config) : undefined);
        if (key === undefined || x === undefined) return [];
        const y = Number(results.results[task]?.[key]);
        return y >= 0 && y <= 1 ? [{ x, y }] : []; // a share; perplexities have no place here
      });
      return [
        ...(own.length > 0 ? [{ name: task, points: own }] : []),
        ...(peers.length > 0 ? [{ name: `${task}, published`, points: peers }] : []),
      ];
    });
    // Lines of these runs first: more than a few cannot be told apart.
    series.sort(
      (a, b) => Number(a.name.endsWith("published")) - Number(b.name.endsWith("published")),
    );
    if (!series.some(({ points }) => points.length > 1)) continue;
    plots.push(
      lineChart({
        title: `Scores by ${title.split(",")[0]}`,
        description:
          "These runs, and published models; an ability that emerges is a line that leaves chance.",
        series: series.slice(0, MAX_LINES).map(({ name, points }) => {
          const sorted = points.sort((a, b) => a.x - b.x);
          return { name, x: sorted.map(({ x }) => x), y: sorted.map(({ y }) => y) };
        }),
        x: { title, log: true },
        y: { title: "score", min: 0, max: 1 },
      }),
    );
  }
  return plots.length > 0
    ? plots
    : [html`<p>One size, and nothing published about these tasks: nothing to draw.</p>`];
}

/** Billions of parameters, where a model of this machine was asked. */
function sizeOf(config: Readonly<Record<string, unknown>>): number | undefined {
  const { parameters } = config;
  return typeof parameters === "number" ? parameters / 1e9 : undefined;
}

async function itemList(run: Finished, task: string, textLimit: number): Promise<Html> {
  const samples = await readSamples(run, task);
  const right = samples.filter((sample) => isRight(sample)).length;
  const shared = sharedStart(samples.map(promptOf));
  return html`<details>
    <summary>
      ${task}, ${run.name}: ${formatCount(samples.length)}
      items${samples.length > 0 && html`, ${formatPercent(right / samples.length)} right`}
    </summary>
    ${
      shared !== "" &&
      html`<p class="note">Every prompt begins with this:</p>
        <pre>${"\n"}${shared}</pre>`
    }
    ${browser({
      title: `items of ${task}`,
      entries: samples.map((sample) => entryOf(sample, { skip: shared.length, textLimit })),
    })}
  </details>`;
}

/** What all prompts begin with, up to the end of a paragraph; empty where it is not worth a word. */
function sharedStart(prompts: readonly string[]): string {
  const [first = "", ...others] = prompts;
  let length = first.length;
  for (const other of others) {
    let same = 0;
    while (same < length && first[same] === other[same]) same++;
    length = same;
  }
  const shared = first.slice(0, first.slice(0, length).lastIndexOf("\n\n") + 2);
  return others.length > 0 && shared.length >= MIN_SHARED ? shared : "";
}

function promptOf(sample: Sample): string {
  return Object.values(sample.arguments)[0]?.arg_0 ?? "";
}

function isRight(sample: Sample): boolean {
  return sample[sample.metrics[0] ?? ""] === 1;
}

function entryOf(
  sample: Sample,
  { skip, textLimit }: { skip: number; textLimit: number },
): BrowsedEntry {
  const requests = Object.values(sample.arguments);
  const prompt = promptOf(sample);
  const lines = requests.flatMap(({ arg_0: context, arg_1: continuation }, i) => {
    const asked = typeof continuation === "string" ? continuation : "";
    const before = context === prompt ? asked : context.slice(-80) + asked;
    return (sample.resps[i] ?? []).map((response) => {
      const given = Array.isArray(response)
        ? formatNumber(Number(response[0]), 5)
        : String(response);
      return `${before} → ${given}`;
    });
  });
  const own = prompt.slice(skip);
  const scores = sample.metrics.map((name) => `${name} ${shortly(sample[name])}`).join(", ");
  return {
    head: `${sample.doc_id}: target ${sample.target.slice(0, 200)}; ${scores}`,
    text: own.length > textLimit ? `… ${own.slice(-textLimit)}` : own,
    lines,
    kind: isRight(sample) ? "right" : "not right",
  };
}

function shortly(value: unknown): string {
  const numbers = (Array.isArray(value) ? value : [value]).map(Number);
  return numbers.map((number) => formatNumber(number, 4)).join(" / ");
}
