/** The curves of a training run. */
import type { Html } from "../report/html.ts";
import { lineChart, type LineSeries } from "../report/line-chart.ts";
import type { StepMetrics } from "./metrics.ts";

export interface ChartSection {
  heading: string;
  figures: Html[];
}

/** Longer curves are drawn as means of as many steps as it takes; `metrics.jsonl` has them all. */
const MAX_POINTS = 2_000;
/** A curve of fewer points is smooth enough. */
const SMOOTHED_POINTS = 30;
/** Of what came before, in the running mean; TensorBoard's slider at 0.9. */
const SMOOTHING = 0.9;

/** Sections of a page; what was never measured has no chart. */
export function trainingCharts(metrics: readonly StepMetrics[]): ChartSection[] {
  const train = seriesOf("train", metrics, ({ loss }) => loss);
  const evaluated = seriesOf("eval", metrics, ({ evalLoss }) => evalLoss);
  const sections: ChartSection[] = [
    {
      heading: "Loss",
      figures: chart([...smoothed(train), evaluated], {
        title: "Loss by step.",
        unit: "nats per token",
        more: "Lower is better; a uniform guess among V tokens has ln V.",
      }),
    },
    {
      heading: "Optimisation",
      figures: [
        ...chart([seriesOf("learning rate", metrics, ({ learningRate }) => learningRate)], {
          title: "Learning rate by step.",
          unit: "learning rate",
        }),
        ...chart(smoothed(seriesOf("each step", metrics, ({ gradNorm }) => gradNorm)), {
          title: "Gradient norm by step,",
          unit: "norm",
          more: "of all gradients together, before clipping.",
        }),
      ],
    },
    ...otherSections(metrics),
    {
      heading: "Speed",
      figures: chart(smoothed(seriesOf("each step", metrics, (m) => m.tokensPerSecond)), {
        title: "Tokens per second by step.",
        unit: "tokens/s",
      }),
    },
  ];
  return sections.filter(({ figures }) => figures.length > 0);
}

/** What a recipe measures besides, such as TRL's rewards: a chart for each name, of training and evaluation together. */
function otherSections(metrics: readonly StepMetrics[]): ChartSection[] {
  const keys = new Set(metrics.flatMap(({ more }) => Object.keys(more ?? {})));
  const names = [...new Set([...keys].map((key) => key.replace(/^eval_/, "")))].sort();
  const figures = names.flatMap((name) =>
    chart(
      [
        ...smoothed(seriesOf("train", metrics, ({ more }) => more?.[name])),
        seriesOf("eval", metrics, ({ more }) => more?.[`eval_${name}`]),
      ],
      { title: `${name} by step.`, unit: name },
    ),
  );
  return [{ heading: "Measured besides", figures }];
}

function seriesOf(
  name: string,
  metrics: readonly StepMetrics[],
  valueOf: (metrics: StepMetrics) => number | undefined,
): LineSeries {
  const measured = metrics.flatMap((step) => {
    const value = valueOf(step);
    return value === undefined ? [] : [{ x: step.step, y: value }];
  });
  return { name, x: measured.map(({ x }) => x), y: measured.map(({ y }) => y) };
}

/** A series, and where it is long its running mean, which starts without a bias towards 0 (Kingma and Ba 2015, §3). */
function smoothed(series: LineSeries): LineSeries[] {
  const { x, y } = series;
  if (y.length < SMOOTHED_POINTS) return [series];
  let mean = 0;
  let weight = 0;
  const means = y.map((value) => {
    if (!Number.isFinite(value)) return value;
    mean = SMOOTHING * mean + (1 - SMOOTHING) * value;
    weight = SMOOTHING * weight + (1 - SMOOTHING);
    return mean / weight;
  });
  return [series, { name: "smooth", x, y: means }];
}

function chart(
  series: readonly LineSeries[],
  { title, unit, more = "" }: { title: string; unit: string; more?: string },
): Html[] {
  const drawn = series.filter(({ y }) => y.length > 0);
  const longest = Math.max(0, ...drawn.map(({ y }) => y.length));
  if (longest === 0) return [];
  const per = Math.ceil(longest / MAX_POINTS);
  const description = [more, per > 1 ? `Means of ${per} steps.` : ""].filter(Boolean).join(" ");
  return [
    lineChart({
      title,
      ...(description === "" ? {} : { description }),
      x: { title: "step" },
      y: { title: unit },
      series: drawn.map((line) => condense(line, per)),
    }),
  ];
}

/** Means of `per` neighbours each, at the last one's step; a value that is no number stays seen. */
function condense(series: LineSeries, per: number): LineSeries {
  if (per === 1) return series;
  const { name, x, y } = series;
  const starts = Array.from({ length: Math.ceil(y.length / per) }, (_, i) => i * per);
  return {
    name,
    x: starts.map((start) => x[Math.min(start + per, x.length) - 1]!),
    y: starts.map((start) => {
      const part = y.slice(start, start + per);
      return part.reduce((a, b) => a + b, 0) / part.length;
    }),
  };
}
