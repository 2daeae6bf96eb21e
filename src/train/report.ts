/** A training run as a page: its curves, what it wrote on the way, what it was asked to do. One self-contained file. */
import path from "node:path";
import { writeTextAtomic } from "../base/atomic.ts";
import { formatCount, formatDuration, formatNumber, formatRate } from "../base/format.ts";
import { toJson } from "../base/json.ts";
import type { RunRecord } from "../jobs/record.ts";
import { readRun, runEvents } from "../jobs/runs.ts";
import { html, type Html } from "../report/html.ts";
import { page, section } from "../report/page.ts";
import { trainingCharts } from "./charts.ts";
import { readMetrics, type StepMetrics } from "./metrics.ts";

/** Something that the model wrote while it was trained. */
export interface TrainingSample {
  step: number;
  prompt: string;
  text: string;
}

export interface TrainingReport {
  title: string;
  subtitle?: string | undefined;
  facts: readonly (readonly [name: string, value: string])[];
  /** Why the run stopped, what was left out of the data. */
  notes?: readonly string[];
  /** In order of steps. */
  metrics: readonly StepMetrics[];
  samples: readonly TrainingSample[];
  /** What was asked for, as JSON. */
  configuration: unknown;
}

/** The text of the page. */
export function trainingPage(report: TrainingReport): string {
  const { title, subtitle, facts, notes = [], metrics, samples, configuration } = report;
  const charts = trainingCharts(metrics);
  const body = html`${notes.map((note) => html`<p>${note}</p>`)}
  ${charts.map(({ heading, figures }) => section(heading, ...figures))}
  ${charts.length === 0 && html`<p>No step was recorded.</p>`}
  ${samples.length > 0 && section("Samples", ...samplesByPrompt(samples))}
  ${section("Configuration", preformatted(html`${toJson(configuration, 2)}`))}`;
  return page({ title, ...(subtitle === undefined ? {} : { subtitle }), facts, body });
}

/** What the metrics come to, for the head of a page or a result. */
export function summarizeTraining(metrics: readonly StepMetrics[]): [string, string][] {
  const last = metrics.at(-1);
  if (last === undefined) return [];
  const evaluated = metrics.filter(({ evalLoss }) => Number.isFinite(evalLoss));
  const best = evaluated.reduce<StepMetrics | undefined>(
    (a, b) => (a?.evalLoss !== undefined && a.evalLoss <= (b.evalLoss ?? Infinity) ? a : b),
    undefined,
  );
  const loss = metrics.findLast((m) => m.loss !== undefined)?.loss;
  const totalTokens = metrics.findLast((m) => m.totalTokens !== undefined)?.totalTokens;
  const { step, totalSteps, epoch, elapsedMs } = last;
  return [
    ["steps", `${formatCount(step)} of ${formatCount(totalSteps)}`],
    ["epochs", formatNumber(epoch, 3)],
    ...fact("loss", loss, (value) => formatNumber(value)),
    ...fact(
      "best eval loss",
      best?.evalLoss,
      (value) => `${formatNumber(value)} at step ${formatCount(best?.step ?? 0)}`,
    ),
    ...fact("tokens", totalTokens, formatCount),
    ["time", formatDuration(elapsedMs)],
    ...fact(
      "speed",
      totalTokens && elapsedMs > 0 ? (totalTokens * 1000) / elapsedMs : undefined,
      (value) => formatRate(value, "tok"),
    ),
  ];
}

/**
 * Writes `report.html` into a run's folder from what lies there: `run.json`, `metrics.jsonl`, and the samples among its
 * events (`{prompt, text}`, each with the step of its event; of a step that was done twice the later ones).
 */
export async function writeTrainingReport(
  folder: string,
  { notes = [] }: { notes?: readonly string[] } = {},
): Promise<string> {
  const { record } = await readRun(folder);
  const metrics = await readMetrics(path.join(folder, "metrics.jsonl"));
  const file = path.join(folder, "report.html");
  const { error } = record;
  const report = trainingPage({
    title: `${record.kind} ${record.name}`,
    subtitle: `${record.state}, begun ${moment(record.startedAt ?? record.createdAt)}`,
    facts: [...summarizeTraining(metrics), ...provenanceFacts(record)],
    notes: [
      ...(error === undefined ? [] : [`Stopped: ${error.message}. ${error.hint ?? ""}`]),
      ...notes,
    ],
    metrics,
    samples: await samplesOfRun(folder),
    configuration: record.arguments,
  });
  await writeTextAtomic(file, report);
  return file;
}

function provenanceFacts({
  mode,
  seed,
  threads,
  device,
  models,
  data,
  versions,
  command,
}: RunRecord): [string, string][] {
  return [
    ...fact("mode", mode, String),
    ...fact("seed", seed, String),
    ...fact("threads", threads, String),
    ...fact("device", device, String),
    [
      "made by",
      `philab ${versions.philab}${versions.engine === undefined ? "" : `, engine ${versions.engine}`}`,
    ],
    ...models.map(({ reference, sha256 }): [string, string] => [
      "model",
      withHash(reference, sha256),
    ]),
    ...data.map(({ name, sha256 }): [string, string] => ["data", withHash(name, sha256)]),
    ...fact("command", command.length > 0 ? command.join(" ") : undefined, String),
  ];
}

/** `2025-11-23 12:00 UTC` */
function moment(iso: string): string {
  return `${iso.slice(0, 10)} ${iso.slice(11, 16)} UTC`;
}

function withHash(name: string, sha256: string | undefined): string {
  return sha256 === undefined ? name : `${name} (sha256 ${sha256.slice(0, 12)}…)`;
}

function fact<T>(
  name: string,
  value: T | undefined,
  format: (value: T) => string,
): [string, string][] {
  return value === undefined ? [] : [[name, format(value)]];
}

async function samplesOfRun(folder: string): Promise<TrainingSample[]> {
  const samples = new Map<string, TrainingSample>();
  for await (const { step = 0, samples: written = [] } of runEvents(folder))
    for (const { prompt, text } of written)
      if (typeof prompt === "string" && typeof text === "string")
        samples.set(JSON.stringify([step, prompt]), { step, prompt, text });
  return [...samples.values()].sort((a, b) => a.step - b.step);
}

/** Each text after its prompt, which is paler; one prompt after the other, each in order of steps. */
function samplesByPrompt(samples: readonly TrainingSample[]): Html[] {
  const prompts = [...new Set(samples.map(({ prompt }) => prompt))];
  return prompts.map((prompt) => {
    const own = samples.filter((sample) => sample.prompt === prompt);
    return html`<div>
      ${own.map(
        ({ step, text }) =>
          html`<p class="note">step ${formatCount(step)}</p>
            ${preformatted(html`<span style="color:var(--muted)">${prompt}</span>${text}`)}`,
      )}
    </div>`;
  });
}

/** A `pre` that shows a newline at its start: browsers leave the first one out. */
function preformatted(content: Html): Html {
  return html`<pre>${"\n"}${content}</pre>`;
}
