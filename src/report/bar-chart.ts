/** Bar chart: one value with its interval for each label, all numbers printed. Bars begin at zero. */
import { formatNumber } from "../base/format.ts";
import { clipLabel, figure, px, type FigureText } from "./figure.ts";
import { html, type Html } from "./html.ts";
import type { ChartAxis } from "./line-chart.ts";
import { createAxis, type Axis } from "./scale.ts";

export interface Bar {
  label: string;
  value: number;
  /** The interval, such as 95 % confidence. */
  low?: number;
  high?: number;
  /** More for the table: how many items. */
  note?: string;
  /** Drawn in the muted colour, such as a peer's figure. */
  muted?: boolean;
}

export interface BarChartOptions extends FigureText {
  bars: readonly Bar[];
  x: Omit<ChartAxis, "log">;
  /** A line to compare with: chance, a published figure. */
  reference?: { value: number; label: string };
  /** How numbers are printed; four significant digits unless said otherwise. */
  format?: (value: number) => string;
}

const WIDTH = 860;
const ROW = 24;
const BAR = 13;
const TOP = 22;
const BOTTOM = 34;
const LETTER = 6.7;
const MAX_LABEL = 30;

/** Bars with intervals, read out by pointer and keys, with their numbers as a table. */
export function barChart(options: BarChartOptions): Html {
  const { title, description, bars, x, reference, format = formatNumber } = options;
  const left =
    14 + Math.min(MAX_LABEL, Math.max(4, ...bars.map(({ label }) => [...label].length))) * LETTER;
  const numbers = bars.map((bar) => numbersOf(bar, format));
  const right = WIDTH - 14 - Math.max(6, ...numbers.map((text) => text.length)) * LETTER;
  const axis = axisOf(options, { from: left, to: right });
  const bottom = TOP + bars.length * ROW;
  const height = bottom + BOTTOM;

  const plot = html`<svg
    viewBox="0 0 ${WIDTH} ${px(height)}"
    width="${WIDTH}"
    class="chart"
    role="img"
    aria-label="${title}"
  >
    <g class="grid">
      ${axis.ticks.map(({ value }) => {
        const at = px(axis.position(value));
        return html`<line x1="${at}" x2="${at}" y1="${TOP}" y2="${px(bottom)}" />`;
      })}
    </g>
    ${axis.ticks.map(
      ({ value, label }) =>
        html`<text
          class="tick"
          x="${px(axis.position(value))}"
          y="${px(bottom + 14)}"
          text-anchor="middle"
          >${label}</text
        >`,
    )}
    ${bars.map((bar, i) =>
      drawBar(bar, { axis, left, right, top: TOP + i * ROW, text: numbers[i] ?? "" }),
    )}
    ${reference && drawReference(reference, { axis, bottom })}
    <text class="axis" x="${px(right)}" y="${px(height - 4)}" text-anchor="end">${x.title} →</text>
  </svg>`;
  return figure(
    { title, description },
    {
      plot,
      table: {
        columns: ["label", x.title, "low", "high", "note"],
        rows: bars.map(({ label, value, low, high, note }) => [
          label,
          value,
          low ?? "",
          high ?? "",
          note ?? "",
        ]),
      },
    },
  );
}

function axisOf({ bars, x, reference }: BarChartOptions, span: { from: number; to: number }): Axis {
  const values = [0, ...bars.flatMap(({ value, low = value, high = value }) => [value, low, high])];
  if (reference) values.push(reference.value);
  const finite = values.filter(Number.isFinite);
  return createAxis({
    ...span,
    low: x.min ?? Math.min(...finite),
    high: x.max ?? Math.max(...finite),
    nice: x.min === undefined && x.max === undefined,
  });
}

function drawBar(
  { label, value, low, high, muted = false }: Bar,
  {
    axis,
    left,
    right,
    top,
    text,
  }: { axis: Axis; left: number; right: number; top: number; text: string },
): Html {
  const middle = px(top + ROW / 2);
  const [zero, end] = [
    axis.position(Math.max(axis.low, Math.min(axis.high, 0))),
    axis.position(value),
  ];
  const whisker =
    low !== undefined &&
    high !== undefined &&
    html`<path
      class="whisker"
      d="M${px(axis.position(low))} ${px(top + ROW / 2 - 4)}v8m0-4H${px(axis.position(high))}m0-4v8"
    />`;
  return html`<text class="label" x="${px(left - 8)}" y="${middle}" dy=".32em" text-anchor="end"
      >${clipLabel(label, MAX_LABEL)}</text
    >
    ${Number.isFinite(value) && html`<rect class="${muted ? "bar muted" : "bar"}" x="${px(Math.min(zero, end))}" y="${px(top + (ROW - BAR) / 2)}" width="${px(Math.max(1, Math.abs(end - zero)))}" height="${BAR}" rx="1.5" />`}
    ${whisker}
    <text class="number" x="${px(right + 10)}" y="${middle}" dy=".32em">${text}</text>`;
}

function drawReference(
  { value, label }: { value: number; label: string },
  { axis, bottom }: { axis: Axis; bottom: number },
): Html {
  const at = px(axis.position(value));
  return html`<line class="reference" x1="${at}" x2="${at}" y1="${TOP - 6}" y2="${px(bottom)}" />
    <text class="tick" x="${at}" y="${TOP - 9}" text-anchor="middle">${label}</text>`;
}

/** `0.714 [0.69, 0.74]`. */
function numbersOf({ value, low, high }: Bar, format: (value: number) => string): string {
  const interval =
    low === undefined || high === undefined ? "" : ` [${format(low)}, ${format(high)}]`;
  return `${format(value)}${interval}`;
}
