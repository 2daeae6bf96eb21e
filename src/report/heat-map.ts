/**
 * Heat map: a matrix as coloured cells. One SVG path per colour level, so that an attention pattern of 512 × 512 stays
 * a small page, follows the theme, and can be copied into a paper. The pointer and the arrow keys read the exact value.
 */
import { LabError } from "../base/errors.ts";
import { formatCount } from "../base/format.ts";
import { colorScale, type Coloring } from "./color-scale.ts";
import { clipLabel, figure, px, visibleTokenText, type FigureText } from "./figure.ts";
import { html, trusted, type Html } from "./html.ts";
import { LEVELS, levelClass, levelOf, rangeOf, type Palette } from "./tokens.ts";

export interface HeatMapOptions extends FigureText {
  /** Row-major; shape [rows, columns]. */
  values: Float32Array | readonly number[];
  rows: readonly string[];
  columns: readonly string[];
  /** What a row and a column is: `head`, `layer`. */
  rowTitle: string;
  columnTitle: string;
  /** What a value is: `probability`. */
  valueTitle: string;
  palette?: Palette;
  /** Values of the first and the last colour; from the values where left out. */
  range?: readonly [low: number, high: number];
  /** Words in the cells instead of numbers, such as the likeliest token; row-major. The readout says them, too. */
  texts?: readonly string[];
  /** Numbers in the cells; where there is room unless said otherwise. */
  showValues?: boolean;
  /** Significant digits in the readout. */
  digits?: number;
}

const MAX_WIDTH = 860;
const MAX_HEIGHT = 680;
const MAX_CELL = 36;
const ROOM_FOR_NUMBERS = 30;
const LETTER = 6.4;
const MAX_LETTERS = 16;
const LINE = 12;
/** A cell with a word in it. */
const WORD_CELL = { width: 54, height: 22, letters: 8 };

/** Throws `bad_input` where the values do not fill rows × columns. */
export function heatMap(options: HeatMapOptions): Html {
  const { values, rows, columns, rowTitle, columnTitle, valueTitle } = options;
  const { palette = "sequential", digits = 4, title, description } = options;
  if (values.length !== rows.length * columns.length)
    throw new LabError(
      "bad_input",
      `heat map ${title}: ${values.length} values for ${rows.length} rows × ${columns.length} columns`,
    );
  const range = options.range ?? rangeOf(values, palette);
  const { texts } = options;
  if (texts !== undefined && texts.length !== values.length)
    throw new LabError(
      "bad_input",
      `heat map ${title}: ${texts.length} texts for ${values.length} values`,
    );
  const geometry = layOut(options);
  const { left, top, cellWidth, cellHeight, width, height } = geometry;
  const colors = { palette, range };
  const showValues = options.showValues ?? (texts === undefined && cellWidth >= ROOM_FOR_NUMBERS);

  const plot = html`<svg
    viewBox="0 0 ${px(width)} ${px(height)}"
    width="${px(width)}"
    class="${texts === undefined ? "cells" : "words"}"
    role="img"
    aria-label="${title}"
  >
    ${axisLabels(options, geometry)}
    <g
      transform="translate(${px(left)} ${px(top)}) scale(${px(cellWidth)} ${px(cellHeight)})"
      shape-rendering="crispEdges"
    >
      ${cells(options, colors)}
      <rect class="cursor" width="1" height="1" visibility="hidden" />
    </g>
    ${showValues && numbers(options, { geometry, colors })}
    ${texts !== undefined && words(options, { texts, geometry, colors })}
  </svg>`;

  let odd = 0;
  for (const value of values) if (!Number.isFinite(value)) odd++;
  return figure(
    { title, description },
    {
      plot,
      legend: colorScale({ ...colors, title: valueTitle }),
      notes:
        odd === 0
          ? []
          : [
              `${formatCount(odd)} of ${formatCount(values.length)} values are no finite numbers; crossed out.`,
            ],
      table: {
        columns: [`${rowTitle} \\ ${columnTitle}`, ...columns.map(visibleTokenText)],
        rows: rows.map((name, r) => [
          visibleTokenText(name),
          ...Array.from(values.slice(r * columns.length, (r + 1) * columns.length)),
        ]),
      },
      reading: {
        kind: "heat",
        left,
        top,
        cellWidth,
        cellHeight,
        rowTitle,
        columnTitle,
        valueTitle,
        digits,
        ...(texts === undefined ? {} : { texts: texts.map(visibleTokenText) }),
      },
    },
  );
}

interface Geometry {
  left: number;
  top: number;
  cellWidth: number;
  cellHeight: number;
  width: number;
  height: number;
  /** Column labels stand upright where they do not fit side by side. */
  upright: boolean;
}

function layOut({ rows, columns, texts }: HeatMapOptions): Geometry {
  const letters = (names: readonly string[]): number =>
    Math.min(MAX_LETTERS, Math.max(1, ...names.map((name) => [...visibleTokenText(name)].length)));
  const left = LINE + 12 + letters(rows) * LETTER;
  const cell = Math.min(
    MAX_CELL,
    (MAX_WIDTH - left) / Math.max(1, columns.length),
    MAX_HEIGHT / Math.max(1, rows.length),
  );
  const [cellWidth, cellHeight] =
    texts === undefined ? [cell, cell] : [WORD_CELL.width, WORD_CELL.height];
  const upright = letters(columns) * LETTER > cellWidth - 3;
  const top = LINE + 8 + (upright ? letters(columns) * LETTER : LINE);
  const width = Math.max(left + cellWidth * columns.length + 2, 200);
  const height = top + cellHeight * rows.length + 2;
  return { left, top, cellWidth, cellHeight, width, height, upright };
}

/** Every label where there is room, else every second, third, …: the readout names each. */
function axisLabels(
  { rows, columns, rowTitle, columnTitle }: HeatMapOptions,
  geometry: Geometry,
): Html {
  const { left, top, cellWidth, cellHeight, upright } = geometry;
  const every = { row: Math.ceil(LINE / cellHeight), column: Math.ceil(LINE / cellWidth) };
  const text = (name: string): string => clipLabel(visibleTokenText(name), MAX_LETTERS);
  const rowLabels = rows.flatMap((name, r) =>
    r % every.row === 0
      ? html`<text
          class="tick"
          x="${px(left - 5)}"
          y="${px(top + (r + 0.5) * cellHeight)}"
          dy=".32em"
          text-anchor="end"
          >${text(name)}</text
        >`
      : [],
  );
  const columnLabels = columns.flatMap((name, c) => {
    if (c % every.column !== 0) return [];
    const x = px(left + (c + 0.5) * cellWidth);
    const y = px(top - 5);
    return upright
      ? html`<text class="tick" transform="translate(${x} ${y}) rotate(-90)" dy=".32em"
          >${text(name)}</text
        >`
      : html`<text class="tick" x="${x}" y="${y}" text-anchor="middle">${text(name)}</text>`;
  });
  const middle = px(top + (rows.length * cellHeight) / 2);
  return html`<text class="axis" x="${px(left)}" y="${LINE - 2}">${columnTitle} →</text>
    <text class="axis" transform="translate(${LINE - 2} ${middle}) rotate(-90)" text-anchor="middle"
      >← ${rowTitle}</text
    >
    ${rowLabels}${columnLabels}`;
}

/** Cells of one level in one path, neighbours in a row as one rectangle. */
function cells({ values, rows, columns }: HeatMapOptions, colors: Coloring): Html {
  const { palette } = colors;
  const ground = palette === "diverging" ? (LEVELS.diverging - 1) / 2 : 0;
  const paths = new Map<number, string>();
  let crosses = "";
  const levelAt = (row: number, column: number): number | undefined => {
    const value = values[row * columns.length + column] ?? NaN;
    return Number.isFinite(value) ? levelOf(value, colors) : undefined;
  };
  for (let r = 0; r < rows.length; r++)
    for (let c = 0; c < columns.length;) {
      const start = c;
      const level = levelAt(r, c);
      do c++;
      while (c < columns.length && levelAt(r, c) === level);
      if (level === undefined)
        for (let x = start; x < c; x++) crosses += `M${x} ${r}l1 1M${x + 1} ${r}l-1 1`;
      else if (level !== ground)
        paths.set(level, `${paths.get(level) ?? ""}M${start} ${r}h${c - start}v1h${start - c}z`);
    }
  const drawn = [...paths].map(
    ([level, path]) => html`<path class="${levelClass(palette, level)}" d="${trusted(path)}" />`,
  );
  return html`<rect
      class="${levelClass(palette, ground)} ground"
      width="${columns.length}"
      height="${rows.length}"
    />${drawn}${crosses !== "" && html`<path class="cross" d="${trusted(crosses)}" />`}`;
}

function numbers(
  { values, columns }: HeatMapOptions,
  {
    geometry: { left, top, cellWidth, cellHeight },
    colors,
  }: {
    geometry: Geometry;
    colors: Coloring;
  },
): Html {
  const texts = Array.from(values, (value, i) => {
    if (!Number.isFinite(value)) return undefined;
    const level = levelClass(colors.palette, levelOf(value, colors));
    const x = px(left + ((i % columns.length) + 0.5) * cellWidth);
    const y = px(top + (Math.floor(i / columns.length) + 0.5) * cellHeight);
    return html`<text
      class="${value === 0 ? "value zero" : "value"} ${level}"
      x="${x}"
      y="${y}"
      dy=".32em"
      >${shortNumber(value)}</text
    >`;
  });
  return html`<g aria-hidden="true">${texts}</g>`;
}

/** A word in every cell, in the ink of its colour. */
function words(
  { values, columns }: HeatMapOptions,
  {
    texts,
    geometry: { left, top, cellWidth, cellHeight },
    colors,
  }: { texts: readonly string[]; geometry: Geometry; colors: Coloring },
): Html {
  const drawn = texts.map((text, i) => {
    const value = values[i] ?? NaN;
    const level = Number.isFinite(value)
      ? levelClass(colors.palette, levelOf(value, colors))
      : "none";
    const x = px(left + ((i % columns.length) + 0.5) * cellWidth);
    const y = px(top + (Math.floor(i / columns.length) + 0.5) * cellHeight);
    return html`<text class="value ${level}" x="${x}" y="${y}" dy=".32em"
      >${clipLabel(visibleTokenText(text), WORD_CELL.letters)}</text
    >`;
  });
  return html`<g aria-hidden="true">${drawn}</g>`;
}

/** `.42`, `−1.3`, `17`: what fits into a cell. */
function shortNumber(value: number): string {
  const size = Math.abs(value);
  const text =
    size >= 9.95 ? size.toFixed(0) : size >= 0.995 ? size.toFixed(1) : size.toFixed(2).slice(1);
  return value < 0 && Number(text) !== 0 ? `−${text}` : text === ".00" ? "0" : text;
}
