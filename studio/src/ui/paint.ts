/** Heat maps on a canvas: one pixel for a cell, made larger by style (`image-rendering: pixelated`). */
import { LEVELS, levelOf, RAMPS, rangeOf, type Palette } from "../../../src/report/tokens.ts";

export interface Heat {
  /** Row-major; what is no number is left clear. */
  values: ArrayLike<number>;
  rows: number;
  columns: number;
  palette: Palette;
  /** Values of the first and the last colour; by default from the values. */
  range?: readonly [low: number, high: number];
  /** Whether cells right of the diagonal stay clear: keys that come after their query. */
  isCausal?: boolean;
}

const colors = new Map<string, Uint32Array>();

/** A colour for each level, as the four bytes of a pixel. */
function pixelsOf(palette: Palette, isDark: boolean): Uint32Array {
  const key = `${palette} ${isDark}`;
  const known = colors.get(key);
  if (known !== undefined) return known;
  const made = Uint32Array.from(RAMPS[palette][isDark ? "dark" : "light"], (hex) => {
    const rgb = Number.parseInt(hex.slice(1), 16);
    // Red is the first byte, alpha the last, on little-endian machines: all that browsers run on.
    return ((255 << 24) | ((rgb & 255) << 16) | (rgb & 0xff00) | (rgb >> 16)) >>> 0;
  });
  colors.set(key, made);
  return made;
}

export function heatRange({ values, palette, range }: Heat): readonly [number, number] {
  return range ?? rangeOf(Array.from(values), palette);
}

export function paintHeat(canvas: HTMLCanvasElement, heat: Heat, isDark: boolean): void {
  const { values, rows, columns, palette, isCausal = false } = heat;
  const context = canvas.getContext("2d");
  if (context === null || rows === 0 || columns === 0) return;
  canvas.width = columns;
  canvas.height = rows;
  const image = context.createImageData(columns, rows);
  const pixels = new Uint32Array(image.data.buffer);
  const lut = pixelsOf(palette, isDark);
  const [low, high] = heatRange(heat);
  const last = LEVELS[palette] - 1;
  const scale = high === low ? 0 : last / (high - low);
  for (let row = 0; row < rows; row++) {
    const end = isCausal ? Math.min(columns, row + 1) : columns;
    for (let column = 0; column < end; column++) {
      const value = values[row * columns + column] ?? NaN;
      if (Number.isNaN(value)) continue;
      const level =
        scale === 0
          ? levelOf(value, { palette, range: [low, high] })
          : Math.round((value - low) * scale);
      pixels[row * columns + column] = lut[Math.max(0, Math.min(last, level))] ?? 0;
    }
  }
  context.putImageData(image, 0, 0);
}
