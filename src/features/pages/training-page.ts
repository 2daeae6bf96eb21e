/** The report of a dictionary's training: what it is worth, how it came to be, how often features fire. */
import { formatNumber } from "../../base/format.ts";
import { barChart } from "../../report/bar-chart.ts";
import { html } from "../../report/html.ts";
import { lineChart } from "../../report/line-chart.ts";
import { page, section } from "../../report/page.ts";
import type { Dictionary } from "../dictionary.ts";
import { densityChart } from "./density-chart.ts";
import type { FitMetrics } from "../dictionary-fit.ts";
import type { DictionaryMetrics } from "../evaluate.ts";

const CHARTS = [
  ["explained_variance", "Explained variance by step.", "explained variance"],
  ["l0", "Features that fire for a token.", "l0"],
  ["dead_features", "Dead features.", "features"],
  ["overall_loss", "Loss by step.", "loss"],
] as const satisfies readonly (readonly [keyof FitMetrics, string, string])[];

export function trainingPage({
  dictionary,
  model,
  metrics,
  steps,
  featureDensity,
}: {
  dictionary: Dictionary;
  model: string;
  metrics: DictionaryMetrics;
  steps: ReadonlyMap<number, FitMetrics>;
  featureDensity: ArrayLike<number>;
}): string {
  const x = [...steps.keys()];
  const body = html`${section(
    "On texts that were held out",
    barChart({
      title: "What it keeps, beside a PCA of as many components.",
      x: { title: "share", min: 0, max: 1 },
      bars: [
        { label: "cross-entropy recovered", value: metrics.ce_loss_score },
        { label: "explained variance", value: metrics.explained_variance },
        { label: "PCA's", value: metrics.pca_explained_variance, muted: true },
        { label: "features alive", value: metrics.frac_alive },
      ].filter(({ value }) => Number.isFinite(value)),
    }),
    densityChart(featureDensity),
  )}
  ${section(
    "Training",
    ...CHARTS.map(([key, title, unit]) =>
      lineChart({
        title,
        x: { title: "step" },
        y: { title: unit },
        series: [{ name: key, x, y: [...steps.values()].map((step) => step[key]) }],
      }),
    ),
  )}`;
  return page({
    title: `${dictionary.kind === "sae" ? "Sparse autoencoder" : "Transcoder"} of ${dictionary.output}`,
    facts: [
      ["model", model],
      ["features", String(dictionary.sizes.latents)],
      ["l0", formatNumber(metrics.l0)],
      ["tokens measured on", String(metrics.tokens)],
    ],
    body,
  });
}
