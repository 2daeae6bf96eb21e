/** Numbers and tables for people. Files and `--json` carry the plain numbers. */
import { displayWidth } from "./terminal.ts";

const BINARY_UNITS = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"] as const;

/** `1.48 GiB`: binary units, three significant digits, exact below 1 KiB. */
export function formatBytes(bytes: number): string {
  let value = Math.abs(bytes);
  let unit = 0;
  while (value >= 1023.5 && unit < BINARY_UNITS.length - 1) {
    value /= 1024;
    unit++;
  }
  const digits = unit === 0 ? String(value) : threeDigits(value);
  return `${bytes < 0 ? "-" : ""}${digits} ${BINARY_UNITS[unit]}`;
}

/** `2,779,683,840`: whole numbers with separators, whatever the machine's locale. */
export function formatCount(count: number): string {
  return count.toLocaleString("en-US", { maximumFractionDigits: 0 });
}

const COUNT_UNITS = ["", " k", " M", " B", " T"] as const;

/** `2.78 B` (billions, as the field counts parameters), `51.2 k`, `999`. */
export function formatShort(count: number): string {
  let value = Math.abs(count);
  let unit = 0;
  while (value >= 999.5 && unit < COUNT_UNITS.length - 1) {
    value /= 1000;
    unit++;
  }
  const digits = unit === 0 && Number.isInteger(value) ? String(value) : threeDigits(value);
  return `${count < 0 ? "-" : ""}${digits}${COUNT_UNITS[unit]}`;
}

/** `0.8 ms`, `240 ms`, `3.2 s`, `4 min 05 s`, `2 h 03 min`, `3 d 04 h`. */
export function formatDuration(milliseconds: number): string {
  if (!Number.isFinite(milliseconds)) return "unknown time";
  if (milliseconds < 9.95) return `${milliseconds.toFixed(1)} ms`;
  if (milliseconds < 999.5) return `${Math.round(milliseconds)} ms`;
  const seconds = milliseconds / 1000;
  if (seconds < 59.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${twoDigits(whole % 60)} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 1440) return `${Math.floor(minutes / 60)} h ${twoDigits(minutes % 60)} min`;
  const hours = Math.round(minutes / 60);
  return `${Math.floor(hours / 24)} d ${twoDigits(hours % 24)} h`;
}

/** `12.4 tok/s`, `1.2 GiB/s` (unit `B`), `3.1 k rows/s`. */
export function formatRate(perSecond: number, unit: string): string {
  if (unit === "B") return `${formatBytes(Math.round(perSecond))}/s`;
  const short = perSecond >= 1000 ? formatShort(perSecond) : threeDigits(perSecond);
  return `${short} ${unit}/s`;
}

/** `41.7 %`. */
export function formatPercent(share: number, decimals = 1): string {
  return `${(share * 100).toFixed(decimals)} %`;
}

/** A number with `digits` significant digits, without an exponent where it reads well without one. */
export function formatNumber(value: number, digits = 4): string {
  if (!Number.isFinite(value) || value === 0) return String(value);
  const size = Math.abs(value);
  if (size >= 1e6 || size < 1e-4) return value.toExponential(Math.max(0, digits - 1));
  return String(Number(value.toPrecision(digits)));
}

export interface Column {
  title: string;
  /** Numbers right, text left (the default). */
  align?: "left" | "right";
}

/**
 * Rows under titles, columns two spaces apart; the last column is not padded. Cells may hold colours but no newline:
 * pass model text through `visibleLine` first.
 */
export function formatTable(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
): string {
  const lines = [columns.map(({ title }) => title), ...rows];
  const widths = columns.map((_, c) =>
    Math.max(...lines.map((line) => displayWidth(line[c] ?? ""))),
  );
  return lines
    .map((line) =>
      columns
        .map(({ align }, c) => {
          const cell = line[c] ?? "";
          const padding = " ".repeat((widths[c] ?? 0) - displayWidth(cell));
          return align === "right" ? padding + cell : cell + padding;
        })
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

/** Names and values side by side, for a card: `model  phi-2`. A value of several lines is indented under its first. */
export function formatFacts(facts: readonly (readonly [name: string, value: string])[]): string {
  const width = Math.max(0, ...facts.map(([name]) => displayWidth(name))) + 2;
  return facts
    .map(([name, value]) => {
      const padding = " ".repeat(width - displayWidth(name));
      return `${name}${padding}${value.replaceAll("\n", `\n${" ".repeat(width)}`)}`.trimEnd();
    })
    .join("\n");
}

function threeDigits(value: number): string {
  return value >= 99.95 ? value.toFixed(0) : value >= 9.995 ? value.toFixed(1) : value.toFixed(2);
}

function twoDigits(value: number): string {
  return String(value).padStart(2, "0");
}
