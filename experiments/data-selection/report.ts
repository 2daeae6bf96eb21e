/**
 * The report of what has been measured so far: RESULTS.md beside this file, and a page with plots.
 *
 *     npx tsx experiments/data-selection/report.ts --out DIR [--page results.html]
 */
import { readdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { parseArgs } from "node:util";
import { html, lineChart, page, section, type Html } from "philab/report";
import { ARMS, planRuns, SIZES, TOKENS, type Arm, type RunPlan, type Size } from "./design.ts";
import type { Measured, WrittenExercise } from "./measure.ts";
import { readJson, type Prepared } from "./prepare.ts";
import { difference, estimate, groupSums, type Estimate, type Sums } from "./statistics.ts";

const { values } = parseArgs({ options: { out: { type: "string" }, page: { type: "string" } } });
if (values.out === undefined) throw new Error("--out is needed: the folder that run.ts wrote");
const folder = path.resolve(values.out);
const here = path.dirname(new URL(import.meta.url).pathname);

type Result = RunPlan & Measured & { parameters: number; trainedMs: number };

const METRICS = {
  pass: { title: "Held-out functions that run right", unit: "pass@1, %", scale: 100 },
  body: { title: "Bits per byte of a right body", unit: "bits per byte", scale: 1 },
  textbook: { title: "Bits per byte of the textbook", unit: "bits per byte", scale: 1 },
} as const;
type Metric = keyof typeof METRICS;

const prepared = (await readJson<Prepared>(path.join(folder, "prepared.json")))!;
const exercises = (await readJson<WrittenExercise[]>(path.join(folder, "exercises.json")))!;
const compositions = exercises.map(({ composition }) => composition);
const results: Result[] = [];
for (const name of (await readdir(path.join(folder, "results"))).sort())
  if (name.endsWith(".json"))
    results.push((await readJson<Result>(path.join(folder, "results", name)))!);

function cell(arm: Arm, size: Size): Result[] {
  return results
    .filter((r) => r.arm === arm && r.size === size && r.rateFactor === 1)
    .sort((a, b) => a.seed - b.seed);
}

function sums(runs: readonly Result[], metric: Metric): Sums[] {
  return runs.map(({ exercises: done, textbook }) => {
    if (metric === "textbook")
      return { total: textbook.map(({ bits }) => bits), count: textbook.map(({ bytes }) => bytes) };
    const items = done.map(({ passed, bits, bytes }) =>
      metric === "pass" ? { total: Number(passed), count: 1 } : { total: bits, count: bytes },
    );
    return groupSums(compositions, items);
  });
}

function written({ mean, low, high }: Estimate, metric: Metric, sign = false): string {
  const { scale } = METRICS[metric];
  const digits = metric === "pass" ? 1 : 3;
  const text = (value: number): string => (value * scale).toFixed(digits).replace("-", "−");
  return `${sign && mean > 0 ? "+" : ""}${text(mean)} [${text(low)}, ${text(high)}]`;
}

const SIZE_NAMES = Object.keys(SIZES) as Size[];
const METRIC_NAMES = Object.keys(METRICS) as Metric[];
const parametersOf = (size: Size): number =>
  results.find((result) => result.size === size)?.parameters ?? NaN;
const millions = (size: Size): string => `${(parametersOf(size) / 1e6).toFixed(2)} M`;

/** Rows of a Markdown table: the cells that have been measured. */
function cellRows(): string[][] {
  return SIZE_NAMES.flatMap((size) =>
    ARMS.flatMap((arm) => {
      const runs = cell(arm, size);
      if (runs.length === 0) return [];
      const seeds = runs.map(({ seed }) => seed).join(", ");
      const found = METRIC_NAMES.map((metric) => written(estimate(sums(runs, metric)), metric));
      return [[arm, millions(size), seeds, ...found]];
    }),
  );
}

/** Second cell less first, over the seeds that both have. */
function contrast(first: readonly [Arm, Size], second: readonly [Arm, Size]): string[] | undefined {
  const [a, b] = [cell(...first), cell(...second)];
  const seeds = a.map(({ seed }) => seed).filter((seed) => b.some((run) => run.seed === seed));
  if (seeds.length === 0) return undefined;
  const both = (runs: readonly Result[]): Result[] => runs.filter((r) => seeds.includes(r.seed));
  const found = METRIC_NAMES.map((metric) =>
    written(difference(sums(both(a), metric), sums(both(b), metric)), metric, true),
  );
  const name = ([arm, size]: readonly [Arm, Size]): string => `${arm} ${millions(size)}`;
  return [`${name(second)} less ${name(first)}`, seeds.join(", "), ...found];
}

const CONTRASTS: readonly (readonly [readonly [Arm, Size], readonly [Arm, Size]])[] = [
  [
    ["raw", "large"],
    ["verified", "small"],
  ],
  [
    ["raw", "medium"],
    ["verified", "small"],
  ],
  [
    ["raw", "large"],
    ["verified", "medium"],
  ],
  ...SIZE_NAMES.flatMap((size): (readonly [readonly [Arm, Size], readonly [Arm, Size]])[] => [
    [
      ["raw", size],
      ["verified", size],
    ],
    [
      ["raw", size],
      ["random", size],
    ],
    [
      ["random", size],
      ["classified", size],
    ],
    [
      ["classified", size],
      ["verified", size],
    ],
  ]),
];

function answer(): string {
  const [large, small] = [cell("raw", "large"), cell("verified", "small")];
  const seeds = large.map(({ seed }) => seed).filter((s) => small.some((run) => run.seed === s));
  if (seeds.length === 0) return "Not answered yet: the decisive runs are still to be made.";
  const both = (runs: readonly Result[]): Result[] => runs.filter((r) => seeds.includes(r.seed));
  const of = (metric: Metric): Estimate =>
    difference(sums(both(large), metric), sums(both(small), metric));
  const [pass, textbook] = [of("pass"), of("textbook")];
  const holds = [pass.mean >= 0 && pass.high >= 0, textbook.mean <= 0 && textbook.low <= 0];
  const verdict = ["refuted", "supported in part", "supported"][holds.filter(Boolean).length]!;
  const factor = (parametersOf("large") / parametersOf("small")).toFixed(1);
  const by = `pass@1 ${written(pass, "pass", true)} points, bits per byte of the textbook ${written(textbook, "textbook", true)}`;
  const missing = seeds.length < 3 ? ` So far with ${seeds.length} of 3 seeds.` : "";
  return `By the rule that was set before: **${verdict}**. The selected-data model of ${millions("small")} parameters against the raw-data model of ${millions("large")} (${factor} times as many), at equal tokens: ${by}.${missing}`;
}

/** Whether the large model of raw data was held back by its rate of learning. */
function halfRate(): string[] {
  const found = results.filter(({ rateFactor }) => rateFactor !== 1);
  return found.map((result) => {
    const own = METRIC_NAMES.map((metric) => {
      return `${METRICS[metric].unit} ${written(estimate(sums([result], metric)), metric)}`;
    });
    return `${result.name} (half the rate of learning): ${own.join("; ")}.`;
  });
}

function markdownTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
}

const origins = ["lesson", "wrong lesson", "documentation", "code", "damaged"] as const;
const funnel = (["pool", "annotated", "classified", "verified"] as const).map((name) => [
  name,
  ...origins.map((origin) => String(prepared.selected[name][origin] ?? 0)),
]);
const HEAD = ["pass@1, %", "bits/byte, right body", "bits/byte, textbook"];
const contrastRows = CONTRASTS.flatMap(([first, second]) => {
  const row = contrast(first, second);
  return row === undefined ? [] : [row];
});
const left = planRuns().filter(({ name }) => !results.some((result) => result.name === name));

function chart(metric: Metric): Html {
  const { title, unit, scale } = METRICS[metric];
  const series = ARMS.flatMap((arm) => {
    const sizes = SIZE_NAMES.filter((size) => cell(arm, size).length > 0);
    if (sizes.length === 0) return [];
    const found = sizes.map((size) => estimate(sums(cell(arm, size), metric)));
    return {
      name: arm,
      x: sizes.map(parametersOf),
      y: found.map(({ mean }) => scale * mean),
      low: found.map(({ low }) => scale * low),
      high: found.map(({ high }) => scale * high),
    };
  });
  return lineChart({
    title,
    description: "Mean over seeds with 95 % intervals, per arm, against parameters.",
    x: { title: "parameters", log: true },
    y: { title: unit },
    series,
  });
}

const intro = `Made by \`npx tsx experiments/data-selection/report.ts\` from ${results.length} runs of ${planRuns().length}; the design is in [README.md](README.md), written before the first.`;
const selection = `A forest on phi-micro's embeddings learned from ${prepared.selected.annotated ? 1000 : 0} annotations: ROC-AUC ${prepared.auc.toFixed(4)} over five folds; at the threshold ${prepared.threshold.toFixed(3)} precision ${prepared.cut.precision.toFixed(3)}, recall ${prepared.cut.recall.toFixed(3)}. Tokens: pool ${prepared.tokens.pool.toLocaleString("en")}, classified ${prepared.tokens.classified.toLocaleString("en")}, verified ${prepared.tokens.verified.toLocaleString("en")}; every run reads ${TOKENS.toLocaleString("en")}.`;
const open =
  left.length === 0
    ? "All runs are made."
    : `Still to be made: ${left.map(({ name }) => name).join(", ")}. The same command goes on with them.`;
await writeFile(
  path.join(here, "RESULTS.md"),
  [
    "# Results",
    intro,
    answer(),
    "## Cells",
    "Means over seeds with 95 % intervals.",
    markdownTable(["arm", "parameters", "seeds", ...HEAD], cellRows()),
    "## Differences",
    "Paired by seed and item; for bits per byte less is better.",
    markdownTable(["difference", "seeds", ...HEAD], contrastRows),
    ...halfRate(),
    "## What was chosen",
    selection,
    markdownTable(["documents", ...origins], funnel),
    open,
    "",
  ].join("\n\n"),
);
if (values.page !== undefined) {
  const table = (head: readonly string[], rows: readonly (readonly string[])[]): Html =>
    html`<table>
      <thead>
        <tr>
          ${head.map((name) => html`<th>${name}</th>`)}
        </tr>
      </thead>
      <tbody>
        ${rows.map(
          (row) =>
            html`<tr>
              ${row.map((value) => html`<td>${value}</td>`)}
            </tr>`,
        )}
      </tbody>
    </table>`;
  const body = html`${section("Answer", html`<p>${answer().replaceAll("**", "")}</p>`)}
  ${results.length > 0 && section("Score against parameters", ...METRIC_NAMES.map(chart))}
  ${section("Cells", table(["arm", "parameters", "seeds", ...HEAD], cellRows()))}
  ${section("Differences", table(["difference", "seeds", ...HEAD], contrastRows))}
  ${section("What was chosen", html`<p>${selection}</p>`, table(["documents", ...origins], funnel))}`;
  const title = "Selected data against scale";
  await writeFile(values.page, page({ title, subtitle: open, body }));
}
console.log(`${results.length} runs reported, ${left.length} to be made`);
