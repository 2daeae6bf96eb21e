/** The atlas: every head's pattern as a thumbnail of one picture. */
import { LEVELS, RAMPS } from "../../../../src/report/tokens.ts";
import type { HeadScores, Patterns } from "../../api/lab.ts";

export const SORTS = {
  layer: "layer and head",
  induction_head: "induction",
  previous_token_head: "previous token",
  duplicate_token_head: "duplicate token",
  firstToken: "first token",
  entropy: "entropy",
  distance: "distance",
  attribution: "writes the answer",
} as const;
export type Sort = keyof typeof SORTS;

export interface HeadAt {
  layer: number;
  head: number;
}

export const headName = ({ layer, head }: HeadAt): string => `L${layer}H${head}`;

/** `L3H2`, or undefined for what is no head's name. */
export function parseHead(name: string): HeadAt | undefined {
  const found = /^L(\d+)H(\d+)$/.exec(name);
  return found === null ? undefined : { layer: Number(found[1]), head: Number(found[2]) };
}

/** What a head is sorted by; undefined where that is not known yet. */
export function scoreOf(
  sort: Sort,
  scores: HeadScores | undefined,
  attribution: number | undefined,
): number | undefined {
  if (sort === "attribution") return attribution;
  if (sort === "layer" || scores === undefined) return undefined;
  if (sort === "firstToken" || sort === "entropy" || sort === "distance") return scores[sort];
  return scores.scores[sort];
}

/** Places in `heads`, in the order that is wanted: the largest first; attribution by its size. */
export function orderOf(scores: readonly (number | undefined)[], sort: Sort): number[] {
  const order = scores.map((_, i) => i);
  if (sort === "layer") return order;
  const size = (i: number): number => {
    const score = scores[i] ?? -Infinity;
    return sort === "attribution" ? Math.abs(score) : score;
  };
  return order.sort((a, b) => size(b) - size(a) || a - b);
}

/** Where the tiles lie: `columns` beside each other, each with a margin of one pixel to its right and below. */
export interface Layout {
  columns: number;
  rows: number;
  tile: number;
}

/** A row for each layer where they are in order, and as many columns otherwise. */
export function layoutOf(heads: number, perLayer: number, tile: number): Layout {
  const columns = Math.max(1, Math.min(perLayer, 32));
  return { columns, rows: Math.ceil(heads / columns), tile };
}

/** The colours of a share of attention in 256 steps, as bytes of pixels. The root makes small shares visible. */
function shades(isDark: boolean): Uint32Array {
  const ramp = RAMPS.sequential[isDark ? "dark" : "light"];
  const last = LEVELS.sequential - 1;
  return Uint32Array.from({ length: 256 }, (_, value) => {
    const hex = ramp[Math.round(Math.sqrt(value / 255) * last)] ?? "#000000";
    const rgb = Number.parseInt(hex.slice(1), 16);
    return ((255 << 24) | ((rgb & 255) << 16) | (rgb & 0xff00) | (rgb >> 16)) >>> 0;
  });
}

/**
 * Paints all thumbnails into one picture: one pixel for a value, larger patterns made smaller by the largest of each square.
 */
export function paintAtlas(
  canvas: Pick<HTMLCanvasElement, "width" | "height" | "getContext">,
  { patterns, order, layout }: { patterns: Patterns; order: readonly number[]; layout: Layout },
  isDark: boolean,
): void {
  const { columns, rows, tile } = layout;
  canvas.width = columns * (tile + 1);
  canvas.height = rows * (tile + 1);
  const context = canvas.getContext("2d");
  if (context === null || order.length === 0) return;
  const image = context.createImageData(canvas.width, canvas.height);
  const pixels = new Uint32Array(image.data.buffer);
  const lut = shades(isDark);
  const { rows: size, values, full } = patterns;
  const scale = 255 / full;
  const square = Math.ceil(size / tile);
  order.forEach((head, place) => {
    const left = (place % columns) * (tile + 1);
    const top = Math.floor(place / columns) * (tile + 1);
    const from = head * size * size;
    const drawn = Math.ceil(size / square);
    for (let y = 0; y < tile; y++) {
      // A short text fills its tile.
      const row = Math.floor((y * drawn) / tile);
      for (let x = 0; x <= y; x++) {
        const column = Math.floor((x * drawn) / tile);
        let largest = 0;
        const bottom = Math.min(size, (row + 1) * square);
        const right = Math.min(size, (column + 1) * square);
        for (let q = row * square; q < bottom; q++)
          for (let k = column * square; k < right; k++) {
            const value = values[from + q * size + k] as number;
            if (value > largest) largest = value;
          }
        pixels[(top + y) * canvas.width + left + x] = lut[Math.round(largest * scale)] as number;
      }
    }
  });
  context.putImageData(image, 0, 0);
}
