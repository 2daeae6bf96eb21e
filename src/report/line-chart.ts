/** Line chart: values over steps, with bands where there are intervals. Every line has its name beside its end. */
import { LabError } from "../base/errors.ts";
import { formatCount } from "../base/format.ts";
import { clipLabel, figure, px, type FigureText } from "./figure.ts";
import { html, trusted, type Html } from "./html.ts";
import { bandPath, isFinitePoint, linePath, thin, type Point } from "./line-path.ts";
import { createAxis, type Axis } from "./scale.ts";
import { seriesToken, SERIES_COUNT } from "./tokens.ts";

export interface LineSeries {
  name: string;
  /** Ascending. */
  x: readonly number[];
  y: readonly number[];
  /** The band around the line, such as a confidence interval. */
  low?: readonly number[];
  high?: readonly number[];
}

export interface ChartAxis {
  title: string;
  log?: boolean;
  /** Ends of the axis; from the values where left out. */
  min?: number;
  max?: number;
}

export interface LineChartOptions extends FigureText {
  x: ChartAxis;
  y: ChartAxis;
  series: readonly LineSeries[];
}

const WIDTH = 860;
const HEIGHT = 290;
const MARGIN = { left: 56, right: 120, top: 22, bottom: 36 };
const MAX_NAME = 17;
const LABEL_GAP = 13;
/** Fewer points than this are marked one by one. */
const MARKED_POINTS = 40;
const DASHES = ["", "7 4", "2 3", "9 3 2 3"] as const;

/** Throws `bad_input` where a series' lists differ in length. */
export function lineChart(options: LineChartOptions): Html {
  const { title, description, series } = options;
  for (const { name, x, y, low = y, high = y } of series)
    if (x.length !== y.length || low.length !== y.length || high.length !== y.length)
      throw new LabError("bad_input", `line chart ${title}: ${name} has lists of unequal length`);
  const { xAxis, yAxis } = axesOf(options);
  const drawn = series.map((line, index) => drawSeries(line, { index, xAxis, yAxis }));
  const missing = drawn.reduce((count, line) => count + line.missing, 0);

  const plot = html`<svg
    viewBox="0 0 ${WIDTH} ${HEIGHT}"
    width="${WIDTH}"
    class="chart"
    role="img"
    aria-label="${title}"
  >
    ${grid(options, { xAxis, yAxis })} ${drawn.map(({ shape }) => shape)}
    ${endLabels(series, yAxis)}
    <line class="cursor" y1="${MARGIN.top}" y2="${HEIGHT - MARGIN.bottom}" visibility="hidden" />
  </svg>`;
  return figure(
    { title, description },
    {
      plot,
      notes:
        missing === 0
          ? []
          : [
              `${formatCount(missing)} ${missing === 1 ? "value" : "values"} cannot be drawn (no finite number${yAxis.log ? ", or not above 0" : ""}).`,
            ],
      table: tableOf(options),
      reading: {
        kind: "lines",
        xTitle: options.x.title,
        left: MARGIN.left,
        right: WIDTH - MARGIN.right,
        low: xAxis.low,
        high: xAxis.high,
        log: xAxis.log,
        series: series.map(({ name, x, y }) => ({ name, x: x.map(round), y: y.map(round) })),
        digits: 4,
      },
    },
  );
}

function axesOf({ x, y, series }: LineChartOptions): { xAxis: Axis; yAxis: Axis } {
  const xValues = extent(
    series.flatMap((line) => line.x),
    x,
  );
  const yValues = extent(
    series.flatMap(({ y: values, low = [], high = [] }) => [...values, ...low, ...high]),
    y,
  );
  return {
    xAxis: createAxis({
      ...xValues,
      from: MARGIN.left,
      to: WIDTH - MARGIN.right,
      log: x.log ?? false,
      count: 8,
      whole: series.every((line) => line.x.every(Number.isInteger)),
    }),
    yAxis: createAxis({
      ...yValues,
      from: HEIGHT - MARGIN.bottom,
      to: MARGIN.top,
      log: y.log ?? false,
      nice: y.min === undefined && y.max === undefined,
    }),
  };
}

/** Least and greatest of the values that the axis can show. */
function extent(
  values: readonly number[],
  { log, min, max }: ChartAxis,
): { low: number; high: number } {
  let low = min ?? Infinity;
  let high = max ?? -Infinity;
  for (const value of values) {
    if (!Number.isFinite(value) || (log === true && value <= 0)) continue;
    if (min === undefined) low = Math.min(low, value);
    if (max === undefined) high = Math.max(high, value);
  }
  return low <= high ? { low, high } : log === true ? { low: 0.1, high: 1 } : { low: 0, high: 1 };
}

function grid({ x, y }: LineChartOptions, { xAxis, yAxis }: { xAxis: Axis; yAxis: Axis }): Html {
  const right = WIDTH - MARGIN.right;
  const bottom = HEIGHT - MARGIN.bottom;
  return html`<g class="grid">
      ${yAxis.ticks.map(({ value }) => {
        const at = px(yAxis.position(value));
        return html`<line x1="${MARGIN.left}" x2="${right}" y1="${at}" y2="${at}" />`;
      })}
      ${xAxis.ticks.map(({ value }) => {
        const at = px(xAxis.position(value));
        return html`<line x1="${at}" x2="${at}" y1="${bottom}" y2="${bottom + 4}" />`;
      })}
    </g>
    ${yAxis.ticks.map(
      ({ value, label }) =>
        html`<text
          class="tick"
          x="${MARGIN.left - 7}"
          y="${px(yAxis.position(value))}"
          dy=".32em"
          text-anchor="end"
          >${label}</text
        >`,
    )}
    ${xAxis.ticks.map(
      ({ value, label }) =>
        html`<text
          class="tick"
          x="${px(xAxis.position(value))}"
          y="${bottom + 16}"
          text-anchor="middle"
          >${label}</text
        >`,
    )}
    <text class="axis" x="${MARGIN.left - 7}" y="10" text-anchor="start">${y.title}</text>
    <text class="axis" x="${right}" y="${HEIGHT - 4}" text-anchor="end">${x.title} →</text>`;
}

function drawSeries(
  { x, y, low, high }: LineSeries,
  { index, xAxis, yAxis }: { index: number; xAxis: Axis; yAxis: Axis },
): { shape: Html; missing: number } {
  const place = (values: readonly number[]): Point[] =>
    values.map((value, i) => ({ x: xAxis.position(x[i] ?? NaN), y: yAxis.position(value) }));
  const points = place(y);
  const seen = points.filter(isFinitePoint);
  const dash = DASHES[Math.floor(index / SERIES_COUNT) % DASHES.length] || undefined;
  const band = low && high && bandPath(place(low), place(high));
  const marks =
    seen.length < MARKED_POINTS &&
    seen.map(
      (point) =>
        html`<circle
          cx="${px(point.x)}"
          cy="${px(point.y)}"
          r="2.2"
          fill="var(--${seriesToken(index)})"
        />`,
    );
  return {
    missing: points.length - seen.length,
    shape: html`${band !== undefined && html`<path class="band" fill="var(--${seriesToken(index)})" d="${trusted(band)}" />`}
      <path
        class="line"
        stroke="var(--${seriesToken(index)})"
        d="${trusted(linePath(thin(points, WIDTH)))}"
        ${dash !== undefined && html` stroke-dasharray="${dash}"`}
      />
      ${marks}`,
  };
}

/** Names at the lines' ends, moved apart where they would overlap. */
function endLabels(series: readonly LineSeries[], yAxis: Axis): Html[] {
  const labels = series
    .map(({ name, y }, index) => {
      const last = y.findLast((value) => Number.isFinite(yAxis.position(value)));
      return { name, index, at: last === undefined ? NaN : yAxis.position(last) };
    })
    .filter(({ at }) => Number.isFinite(at))
    .sort((a, b) => a.at - b.at);
  let before = -Infinity;
  for (const label of labels) {
    label.at = Math.max(label.at, before + LABEL_GAP);
    before = label.at;
  }
  const overflow = Math.max(0, before - (HEIGHT - 6));
  return labels.map(
    ({ name, index, at }) =>
      html`<text
        class="name"
        x="${WIDTH - MARGIN.right + 8}"
        y="${px(at - overflow)}"
        dy=".32em"
        fill="var(--${seriesToken(index)})"
        >${clipLabel(name, MAX_NAME)}</text
      >`,
  );
}

/** One row for each x; a line that has no value there leaves its cell empty. */
function tableOf({ x, series }: LineChartOptions): {
  columns: string[];
  rows: (string | number)[][];
} {
  const rows = new Map<number, (string | number)[]>();
  series.forEach((line, s) =>
    line.x.forEach((at, i) => {
      const row = rows.get(at) ?? [at, ...series.map(() => "")];
      row[s + 1] = line.y[i] ?? "";
      rows.set(at, row);
    }),
  );
  return {
    columns: [x.title, ...series.map(({ name }) => name)],
    rows: [...rows.values()].sort((a, b) => Number(a[0]) - Number(b[0])),
  };
}

function round(value: number): number {
  return Number.isFinite(value) ? Number(value.toPrecision(6)) : value;
}
