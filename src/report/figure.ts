/**
 * What all drawings share: a caption, a stage that the keyboard can reach, a line that reads out the value under the
 * pointer, and the numbers themselves as a table.
 */
import { formatCount, formatNumber } from "../base/format.ts";
import { visibleLine } from "../base/terminal.ts";
import { html, jsonScript, type Html } from "./html.ts";

/** What every drawing is called. The title says what is shown, the description how to read it. */
export interface FigureText {
  title: string;
  description?: string | undefined;
}

/** The numbers behind a drawing, as they are saved. */
export interface DataTable {
  columns: readonly string[];
  rows: readonly (readonly (string | number)[])[];
}

/** How the script finds and reads out a value; see `attachPlots`. */
export type Reading =
  | {
      kind: "heat";
      left: number;
      top: number;
      cellWidth: number;
      cellHeight: number;
      rowTitle: string;
      columnTitle: string;
      valueTitle: string;
      digits: number;
      /** What stands in the cells besides, row-major. */
      texts?: readonly string[];
    }
  | {
      kind: "lines";
      xTitle: string;
      /** The plot's edges in the drawing's own units. */
      left: number;
      right: number;
      /** Values at these edges. */
      low: number;
      high: number;
      log: boolean;
      series: { name: string; x: number[]; y: number[] }[];
      digits: number;
    }
  | { kind: "tokens" }
  | {
      kind: "graph";
      /** The node that is kept at first; −1 for none. */
      chosen: number;
      nodes: {
        id: string;
        column: number;
        row: number;
        x: number;
        y: number;
        label: string;
        details: string[];
      }[];
      edges: (readonly [source: number, target: number, weight: number])[];
    };

export interface FigureParts {
  plot: Html;
  legend?: Html | undefined;
  /** Remarks about the data that the drawing cannot show, such as values that are no numbers. */
  notes?: readonly string[];
  table: DataTable;
  /** Left out where the drawing says all its numbers itself. */
  reading?: Reading;
}

/** A larger table is offered as a file only: a page with a hundred thousand cells helps nobody. */
const MAX_TABLE_CELLS = 1_500;

/** Numbers in tables and files keep this many digits. */
const DIGITS = 6;

export function figure(
  { title, description }: FigureText,
  { plot, legend, notes = [], table, reading }: FigureParts,
): Html {
  const rounded = roundTable(table);
  const kind = reading?.kind ?? "still";
  const stage = reading
    ? html`<div
        class="stage"
        tabindex="0"
        role="group"
        aria-label="${title}. Arrow keys read the values."
      >
        ${plot}
      </div>`
    : html`<div class="stage">${plot}</div>`;
  return html`<figure class="plot" data-kind="${kind}">
    <figcaption>
      <strong>${title}</strong>${description !== undefined && html` <span>${description}</span>`}
    </figcaption>
    ${stage}
    ${
      (legend ?? reading) &&
      html`<div class="under">
        ${legend}${reading && html`<output class="readout" aria-live="polite"></output>`}
      </div>`
    }
    ${notes.map((note) => html`<p class="note">${note}</p>`)}
    <details>
      <summary>Numbers</summary>
      <button type="button" class="save" hidden>Save as CSV</button>
      ${numbers(rounded, title)}
    </details>
    ${jsonScript({ title, table: rounded, reading })}
  </figure>`;
}

function numbers({ columns, rows }: DataTable, title: string): Html {
  const cells = columns.length * rows.length;
  if (cells > MAX_TABLE_CELLS)
    return html`<p class="note">
      ${formatCount(rows.length)} rows × ${formatCount(columns.length)} columns: too many to lay out
      here. The file has them all.
    </p>`;
  return html`<div class="scroll" tabindex="0" role="group" aria-label="Numbers of ${title}">
    <table>
      <thead>
        <tr>
          ${columns.map((name) => html`<th scope="col">${name}</th>`)}
        </tr>
      </thead>
      <tbody>
        ${rows.map(
          (row) =>
            html`<tr>
              ${row.map((cell, i) =>
                i === 0
                  ? html`<th scope="row">${cell}</th>`
                  : html`<td>${typeof cell === "number" ? formatNumber(cell, DIGITS) : cell}</td>`,
              )}
            </tr>`,
        )}
      </tbody>
    </table>
  </div>`;
}

function roundTable({ columns, rows }: DataTable): DataTable {
  return {
    columns,
    rows: rows.map((row) => row.map((cell) => (typeof cell === "number" ? round(cell) : cell))),
  };
}

function round(value: number): number {
  return Number.isFinite(value) ? Number(value.toPrecision(DIGITS)) : value;
}

/** A label of at most `length` letters; what is cut is marked, and readable in the readout and the table. */
export function clipLabel(text: string, length: number): string {
  const letters = [...text];
  return letters.length <= length ? text : `${letters.slice(0, length - 1).join("")}…`;
}

/** A coordinate in SVG: at most two decimals. */
export function px(value: number): string {
  return String(Math.round(value * 100) / 100);
}

/** A token's text with its white space visible: spaces as ·, newlines as ⏎, tabs as ⇥. */
export function visibleTokenText(text: string): string {
  return visibleLine(text).replaceAll(" ", "·");
}
