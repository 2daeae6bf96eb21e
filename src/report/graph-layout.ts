/** Where the nodes of a layered graph stand: columns from left to right, rows from below upwards, those of one cell beside each other. */

export interface PlacedNode {
  /** From 0, the leftmost. */
  column: number;
  /** From 0, the lowest. */
  row: number;
}

export interface GraphLayout {
  width: number;
  height: number;
  /** Of each node, in their order. */
  at: { x: number; y: number }[];
  /** The middle of each column and row. */
  columns: number[];
  rows: number[];
}

export interface LayoutOptions {
  columns: number;
  rows: number;
  /** Room for the names of rows. */
  left?: number;
  /** Room for the names of columns. */
  bottom?: number;
  /** Distance of two nodes of a cell, and of rows. */
  gap?: number;
  rowGap?: number;
  /** Least width of a column. */
  columnWidth?: number;
  /** Columns become wider where there is room. */
  minWidth?: number;
}

/** More nodes of one cell than this stand in a second line, and so on. */
const MOST_BESIDE = 5;

export function layoutGraph(
  nodes: readonly PlacedNode[],
  {
    columns,
    rows,
    left = 52,
    bottom = 26,
    gap = 13,
    rowGap = 40,
    columnWidth = 44,
    minWidth = 0,
  }: LayoutOptions,
): GraphLayout {
  const cells = new Map<string, number[]>();
  nodes.forEach(({ column, row }, i) => {
    const key = `${column} ${row}`;
    cells.set(key, [...(cells.get(key) ?? []), i]);
  });
  const beside = Array<number>(columns).fill(1);
  const lines = Array<number>(rows).fill(1);
  nodes.forEach(({ column, row }) => {
    const count = cells.get(`${column} ${row}`)?.length ?? 0;
    beside[column] = Math.max(beside[column] ?? 1, Math.min(MOST_BESIDE, count));
    lines[row] = Math.max(lines[row] ?? 1, Math.ceil(count / MOST_BESIDE));
  });
  const needed = beside.map((count) => Math.max(columnWidth, gap * (count + 1)));
  const free = minWidth - left - needed.reduce((sum, width) => sum + width, 0);
  const widths = needed.map((width) => width + Math.max(0, free) / columns);
  const heights = lines.map((count) => rowGap + gap * (count - 1));
  const total = heights.reduce((sum, height) => sum + height, 0);
  const starts = widths.map((_, c) => left + sumOf(widths.slice(0, c)));
  const tops = heights.map((_, r) => total - sumOf(heights.slice(0, r + 1)));
  const at: { x: number; y: number }[] = nodes.map(() => ({ x: 0, y: 0 }));
  for (const own of cells.values()) {
    const { column = 0, row = 0 } = nodes[own[0] ?? 0] ?? {};
    const [width = 0, start = 0] = [widths[column], starts[column]];
    own.forEach((i, n) => {
      const line = Math.floor(n / MOST_BESIDE);
      const inLine = Math.min(MOST_BESIDE, own.length - line * MOST_BESIDE);
      at[i] = {
        x: start + (width * ((n % MOST_BESIDE) + 1)) / (inLine + 1),
        y: (tops[row] ?? 0) + rowGap / 2 + gap * line,
      };
    });
  }
  return {
    ...{ at, width: left + sumOf(widths), height: total + bottom },
    columns: starts.map((start, c) => start + (widths[c] ?? 0) / 2),
    rows: tops.map((top, r) => top + (heights[r] ?? 0) / 2),
  };
}

function sumOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0);
}
