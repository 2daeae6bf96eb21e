/** Lines as SVG paths: gaps where values are missing, and no more points than pixels can show. */
import { px } from "./figure.ts";

export interface Point {
  x: number;
  y: number;
}

export function isFinitePoint({ x, y }: Point): boolean {
  return Number.isFinite(x) && Number.isFinite(y);
}

/** A line as SVG's path, with a gap where a value is missing. */
export function linePath(points: readonly Point[]): string {
  let pen = "M";
  let path = "";
  for (const point of points) {
    if (!isFinitePoint(point)) {
      pen = "M";
      continue;
    }
    path += `${pen}${px(point.x)} ${px(point.y)}`;
    pen = "L";
  }
  return path;
}

export function bandPath(low: readonly Point[], high: readonly Point[]): string {
  const pairs = low.flatMap((point, i) => {
    const above = high[i];
    return above && isFinitePoint(point) && isFinitePoint(above) ? [{ point, above }] : [];
  });
  if (pairs.length === 0) return "";
  const outline = [
    ...pairs.map(({ above }) => above),
    ...pairs.reverse().map(({ point }) => point),
  ];
  return `${linePath(outline)}Z`;
}

/**
 * At most four points for each column of pixels: the first, the lowest, the highest and the last (M4; Jugel et al.,
 * VLDB 2014), which draws the very same picture. The readout and the table keep every point.
 */
export function thin(points: readonly Point[], width: number): Point[] {
  if (points.length <= 4 * width) return [...points];
  const kept: Point[] = [];
  for (let start = 0; start < points.length;) {
    const column = Math.floor(points[start]?.x ?? NaN);
    let end = start + 1;
    while (end < points.length && Math.floor(points[end]?.x ?? NaN) === column) end++;
    const group = points.slice(start, end);
    const extremes = new Set<Point | undefined>([group[0], group.at(-1)]);
    const finite = group.filter(isFinitePoint);
    extremes.add(finite.reduce<Point | undefined>((a, b) => (a && a.y <= b.y ? a : b), undefined));
    extremes.add(finite.reduce<Point | undefined>((a, b) => (a && a.y >= b.y ? a : b), undefined));
    // A gap must stay a gap.
    extremes.add(group.find((point) => !isFinitePoint(point)));
    kept.push(...group.filter((point) => extremes.has(point)));
    start = end;
  }
  return kept;
}
