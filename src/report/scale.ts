/** Axes: from values to positions, and the round numbers to mark on the way. */

export interface Axis {
  /** Position of a value; NaN where the axis cannot show it (≤ 0 on a logarithmic one). */
  readonly position: (value: number) => number;
  ticks: readonly Tick[];
  low: number;
  high: number;
  log: boolean;
}

export interface Tick {
  value: number;
  label: string;
}

export interface AxisOptions {
  low: number;
  high: number;
  /** Positions of `low` and `high`. */
  from: number;
  to: number;
  log?: boolean;
  /** About how many marks. */
  count?: number;
  /** Whether `low` and `high` may move out to the next marks. */
  nice?: boolean;
  /** Whether there is nothing between two whole numbers: no layer 1.5, no step 0.5. */
  whole?: boolean;
}

export function createAxis(options: AxisOptions): Axis {
  const { from, to, log = false, nice = false, whole = false } = options;
  let { low, high } = widen(options);
  const count = whole ? Math.min(options.count ?? 5, high - low) : (options.count ?? 5);
  if (nice && !log) {
    const step = tickStep(low, high, count);
    low = Math.floor(low / step + 1e-9) * step;
    high = Math.ceil(high / step - 1e-9) * step;
  }
  const transform = log ? Math.log10 : (value: number): number => value;
  const [start, end] = [transform(low), transform(high)];
  return {
    position: (value) =>
      log && value <= 0 ? NaN : from + ((transform(value) - start) / (end - start)) * (to - from),
    ticks: log ? logTicks(low, high, count) : linearTicks(low, high, count),
    low,
    high,
    log,
  };
}

/** A single value gets room on both sides. */
function widen({ low, high, log }: AxisOptions): { low: number; high: number } {
  if (low < high) return { low, high };
  if (log) return { low: low / 2, high: low * 2 };
  const room = low === 0 ? 1 : Math.abs(low) / 2;
  return { low: low - room, high: low + room };
}

/** 1, 2 or 5 times a power of ten, so that about `count` steps fill the range. */
function tickStep(low: number, high: number, count: number): number {
  const rough = (high - low) / Math.max(1, count);
  const power = 10 ** Math.floor(Math.log10(rough));
  const error = rough / power;
  return power * (error >= 7.07 ? 10 : error >= 3.16 ? 5 : error >= 1.41 ? 2 : 1);
}

export function linearTicks(low: number, high: number, count: number): Tick[] {
  const step = tickStep(low, high, count);
  const decimals = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  const first = Math.ceil(low / step - 1e-9);
  const last = Math.floor(high / step + 1e-9);
  return Array.from({ length: last - first + 1 }, (_, i) => {
    const value = (first + i) * step;
    return { value, label: tickLabel(value, decimals) };
  });
}

/** Powers of ten, with 2 and 5 times them over up to two decades; round steps within a single decade. */
export function logTicks(low: number, high: number, count: number): Tick[] {
  if (high / low < 10) return linearTicks(low, high, count).filter(({ value }) => value > 0);
  const first = Math.floor(Math.log10(low));
  const last = Math.ceil(Math.log10(high));
  const every = Math.max(1, Math.ceil((last - first) / Math.max(1, count)));
  const values = [];
  for (let power = first; power <= last; power++)
    for (const factor of last - first <= 2 ? [1, 2, 5] : [1])
      if (power % every === 0) values.push(Number(`${factor}e${power}`));
  return values
    .filter((value) => value >= low * (1 - 1e-9) && value <= high * (1 + 1e-9))
    .map((value) => ({
      value,
      label: tickLabel(value, Math.max(0, -Math.floor(Math.log10(value)))),
    }));
}

/** `0.25`, `1,200`, `3e-5`, `2.5M`; with a true minus sign. Different values never get one label. */
function tickLabel(value: number, decimals: number): string {
  const size = Math.abs(value);
  const sign = value < 0 && Number(size.toFixed(decimals)) !== 0 ? "−" : "";
  if (decimals > 4 && size < 1e-3 && size > 0) return sign + exponential(size);
  const thousands = Math.round(size / 1e3);
  if (size >= 1e6 && thousands * 1e3 === size) return `${sign}${thousands / 1e3}M`;
  const fraction = { minimumFractionDigits: decimals, maximumFractionDigits: decimals };
  return sign + size.toLocaleString("en-US", fraction);
}

function exponential(size: number): string {
  return Number(size.toPrecision(6)).toExponential();
}
