import { describe, expect, test } from "vitest";
import { contrast, lightness, ramp, type Hex } from "./color.ts";
import { COLOR_TOKENS, LEVELS, levelOf, PALETTES, rangeOf, textOn, tokensCss } from "./tokens.ts";

const THEMES = ["light", "dark"] as const;

/** The colours of a palette, read from the style that pages get. */
function levels(palette: (typeof PALETTES)[number], theme: (typeof THEMES)[number]): Hex[] {
  const letter = palette === "sequential" ? "s" : "d";
  const pattern = new RegExp(`\\.${letter}\\d+\\{--c:light-dark\\((#\\w{6}),(#\\w{6})\\)`, "g");
  return [...tokensCss().matchAll(pattern)].map((match) => match[theme === "light" ? 1 : 2] as Hex);
}

describe("colours", () => {
  test("interpolate evenly from the first stop to the last", () => {
    const colors = ramp(["#000000", "#ffffff"], 11);
    expect(colors[0]).toBe("#000000");
    expect(colors[10]).toBe("#ffffff");
    colors.forEach((color, i) => expect(lightness(color)).toBeCloseTo(i / 10, 1));
  });

  test("have WCAG's contrast", () => {
    expect(contrast("#000000", "#ffffff")).toBeCloseTo(21);
    expect(contrast("#777777", "#ffffff")).toBeCloseTo(4.48, 2);
  });
});

describe.each(THEMES)("the %s theme", (theme) => {
  const { paper, surface } = COLOR_TOKENS;

  test.each(["ink", "muted", "accent", "good", "bad"] as const)("%s is readable", (name) => {
    for (const ground of [paper, surface])
      expect(contrast(COLOR_TOKENS[name][theme], ground[theme])).toBeGreaterThan(4.5);
  });

  test.each([1, 2, 3, 4, 5, 6] as const)("line %i stands out, and so does its name", (n) => {
    expect(contrast(COLOR_TOKENS[`series${n}`][theme], paper[theme])).toBeGreaterThan(4.5);
  });

  test.each(PALETTES)("every level of the %s palette carries readable text", (palette) => {
    const colors = levels(palette, theme);
    expect(colors).toHaveLength(LEVELS[palette]);
    for (const color of colors) expect(contrast(color, textOn(color))).toBeGreaterThan(4.5);
  });

  test("the sequential palette only ever gets stronger", () => {
    const steps = levels("sequential", theme).map(lightness);
    const direction = theme === "light" ? -1 : 1;
    for (let i = 1; i < steps.length; i++)
      expect(((steps[i] ?? 0) - (steps[i - 1] ?? 0)) * direction).toBeGreaterThan(0);
  });

  test("the diverging palette gets stronger away from its middle, on both sides", () => {
    const steps = levels("diverging", theme).map(lightness);
    const direction = theme === "light" ? -1 : 1;
    for (let i = 33; i < 65; i++) {
      expect(((steps[i] ?? 0) - (steps[i - 1] ?? 0)) * direction).toBeGreaterThan(0);
      expect(((steps[64 - i] ?? 0) - (steps[65 - i] ?? 0)) * direction).toBeGreaterThan(0);
    }
  });
});

describe("levels", () => {
  test("go from the range's low end to its high end", () => {
    const coloring = { palette: "sequential", range: [0, 1] } as const;
    expect([-1, 0, 0.5, 1, 2].map((value) => levelOf(value, coloring))).toEqual([0, 0, 32, 63, 63]);
  });

  test("put zero in the middle of the diverging palette", () => {
    expect(levelOf(0, { palette: "diverging", range: rangeOf([-3, 1], "diverging") })).toBe(32);
  });

  test("cope with a single value and with none", () => {
    expect(levelOf(0, { palette: "diverging", range: [0, 0] })).toBe(32);
    expect(levelOf(0, { palette: "sequential", range: [0, 0] })).toBe(0);
    expect(rangeOf([NaN], "sequential")).toEqual([0, 1]);
    expect(rangeOf([-7, -2, NaN], "sequential")).toEqual([-7, -2]);
  });
});
