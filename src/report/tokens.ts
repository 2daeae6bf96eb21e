/**
 * The one set of colour tokens, each for light and for dark; reports and the studio draw with these names and no others.
 * The two ramps go from the paper towards ink, so that nothing looks like nothing in both themes.
 */
import { contrast, ramp, type Hex } from "./color.ts";

interface ThemedColor {
  light: Hex;
  dark: Hex;
}

const themed = (light: Hex, dark: Hex): ThemedColor => ({ light, dark });

export const COLOR_TOKENS = {
  /** The page. */
  paper: themed("#fcfcfb", "#101317"),
  /** Panels and the heads of tables. */
  surface: themed("#f3f4f3", "#181d23"),
  ink: themed("#1a1e23", "#e4e7ea"),
  /** Captions, axis labels. */
  muted: themed("#59626d", "#98a3af"),
  /** Grid lines and borders. */
  rule: themed("#dde1e4", "#2b323b"),
  /** Links, focus, the cross-hair. */
  accent: themed("#0a6a84", "#53c4dc"),
  good: themed("#2a7a4b", "#66c890"),
  bad: themed("#b2362b", "#f28b7f"),
  /** Lines and bars, told apart by people with any colour vision, and drawn with different dashes besides. */
  series1: themed("#1d6aab", "#6fb4f4"),
  series2: themed("#b8520b", "#f49a5b"),
  series3: themed("#2a7a4b", "#66c890"),
  series4: themed("#7a4aa5", "#c39ded"),
  series5: themed("#846700", "#dbbb48"),
  series6: themed("#59626d", "#a9b2bc"),
} as const satisfies Record<string, ThemedColor>;

export type ColorToken = keyof typeof COLOR_TOKENS;

export const SERIES_COUNT = 6;

/** The token of the n-th line or bar; a seventh begins again, with another dash. */
export function seriesToken(index: number): ColorToken {
  return `series${(index % SERIES_COUNT) + 1}` as ColorToken;
}

export const PALETTES = ["sequential", "diverging"] as const;
/** `sequential` for amounts from nothing to most, `diverging` for signed values around zero. */
export type Palette = (typeof PALETTES)[number];

/** Levels of a palette; the diverging one has a middle. */
export const LEVELS: Record<Palette, number> = { sequential: 64, diverging: 65 };

/** The colours of each palette, from its first level to its last. */
export const RAMPS: Record<Palette, { light: Hex[]; dark: Hex[] }> = {
  sequential: {
    light: ramp(["#f6f7f6", "#c3e0dc", "#66b5b8", "#21788f", "#1b4268", "#15193b"], 64),
    dark: ramp(["#161b20", "#1b3953", "#1c6880", "#35a09c", "#8dd5ac", "#f4fbd4"], 64),
  },
  diverging: {
    light: ramp(["#7d2f06", "#d0762f", "#f1c49b", "#f6f7f6", "#a5cbe6", "#3d87c1", "#0d3f75"], 65),
    dark: ramp(["#ffc08f", "#e07f35", "#7a3f16", "#161b20", "#1c4a74", "#3b8fd0", "#a6d8ff"], 65),
  },
};

/** The CSS class of a level: `s0`…`s63`, `d0`…`d64`. */
export function levelClass(palette: Palette, level: number): string {
  return `${palette === "sequential" ? "s" : "d"}${level}`;
}

/** Where `value` stands in `range` (low, high), as a level. Values outside are drawn as the range's end. */
export function levelOf(
  value: number,
  { palette, range: [low, high] }: { palette: Palette; range: readonly [number, number] },
): number {
  const last = LEVELS[palette] - 1;
  if (high === low) return palette === "diverging" ? last / 2 : value > low ? last : 0;
  return Math.round(Math.min(1, Math.max(0, (value - low) / (high - low))) * last);
}

/** The range to draw `values` in: from 0 for amounts, symmetric around 0 for signed values. Ignores NaN and ±Infinity. */
export function rangeOf(values: Iterable<number>, palette: Palette): [number, number] {
  let low = Infinity;
  let high = -Infinity;
  for (const value of values)
    if (Number.isFinite(value)) {
      low = Math.min(low, value);
      high = Math.max(high, value);
    }
  if (low > high) return palette === "diverging" ? [-1, 1] : [0, 1];
  if (palette === "sequential") return low >= 0 ? [0, high] : [low, high];
  const reach = Math.max(Math.abs(low), Math.abs(high));
  return [-reach, reach];
}

/** The tokens as CSS variables (`var(--ink)`), and a class for each level: `--c` is its colour, `--on` that of text on it. */
export function tokensCss(): string {
  const variables = Object.entries(COLOR_TOKENS).map(
    ([name, { light, dark }]) => `--${name}:light-dark(${light},${dark});`,
  );
  const levels = PALETTES.flatMap((palette) =>
    RAMPS[palette].light.map((light, level) => {
      const dark = RAMPS[palette].dark[level] ?? light;
      const on = `light-dark(${textOn(light)},${textOn(dark)})`;
      return `.${levelClass(palette, level)}{--c:light-dark(${light},${dark});--on:${on}}`;
    }),
  );
  return `:root{color-scheme:light dark;${variables.join("")}}${levels.join("")}`;
}

/** Black or white, whichever reads better on `background`; one of them always has a contrast above 4.5. */
export function textOn(background: Hex): Hex {
  return contrast(background, "#000000") >= contrast(background, "#ffffff") ? "#000000" : "#ffffff";
}
