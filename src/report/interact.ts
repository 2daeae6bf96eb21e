/**
 * Reading out values: the pointer or the arrow keys move a cursor over a drawing, and a line under it says what is there.
 * One self-contained function, written into every report as its only script (hence no imports and no outer names) and
 * called by the studio for drawings that it inserts.
 */

/** As much of the DOM as the function uses; the package compiles without a browser's types. */
export interface PlotElement {
  textContent: string | null;
  hidden: boolean;
  href: string;
  download: string;
  readonly dataset: Record<string, string | undefined>;
  readonly classList: { toggle(name: string, on: boolean): void };
  querySelector(selector: string): PlotElement | null;
  querySelectorAll(selector: string): Iterable<PlotElement>;
  closest(selector: string): PlotElement | null;
  setAttribute(name: string, value: string): void;
  getAttribute(name: string): string | null;
  getBoundingClientRect(): { left: number; top: number; width: number; height: number };
  addEventListener(type: string, listener: (event: PlotEvent) => void): void;
  click(): void;
}

interface PlotEvent {
  clientX: number;
  clientY: number;
  key: string;
  target: unknown;
  preventDefault(): void;
}

/** What `document` or any element inside it offers. */
export interface PlotRoot {
  querySelectorAll(selector: string): Iterable<PlotElement>;
}

/** Makes every drawing under `root` readable. Call it once for each drawing. */
export function attachPlots(root: PlotRoot): void {
  type Cursor = readonly [column: number, row: number];
  interface View {
    locate(event: PlotEvent): Cursor | undefined;
    move(cursor: Cursor | undefined, dx: number, dy: number): Cursor | undefined;
    read(cursor: Cursor): string;
    mark(cursor: Cursor | undefined): void;
  }
  interface Data {
    title: string;
    table: { columns: string[]; rows: (string | number)[][] };
    reading?: Record<string, never> & {
      kind: string;
      left: number;
      right: number;
      top: number;
      cellWidth: number;
      cellHeight: number;
      texts?: string[];
      low: number;
      high: number;
      log: boolean;
      digits: number;
      rowTitle: string;
      columnTitle: string;
      valueTitle: string;
      xTitle: string;
      series: { name: string; x: number[]; y: (number | string)[] }[];
    };
  }

  const clamp = (value: number, last: number): number => Math.max(0, Math.min(last, value));
  const format = (value: unknown, digits: number): string =>
    typeof value === "number"
      ? String(Number(value.toPrecision(digits))).replace("-", "−")
      : String(value);

  /** Where the pointer is, in the drawing's own units. */
  const pointIn = (svg: PlotElement, event: PlotEvent): { x: number; y: number } => {
    const box = svg.getBoundingClientRect();
    const size = (svg.getAttribute("viewBox") ?? "0 0 1 1").split(" ").map(Number);
    return {
      x: ((event.clientX - box.left) * (size[2] ?? 1)) / box.width,
      y: ((event.clientY - box.top) * (size[3] ?? 1)) / box.height,
    };
  };

  const heat = (figure: PlotElement, { table, reading }: Data): View | undefined => {
    const svg = figure.querySelector(".stage svg");
    const box = figure.querySelector(".cursor");
    if (!svg || !box || !reading) return undefined;
    const columns = table.columns.length - 1;
    return {
      locate: (event) => {
        const { x, y } = pointIn(svg, event);
        const column = Math.floor((x - reading.left) / reading.cellWidth);
        const row = Math.floor((y - reading.top) / reading.cellHeight);
        const inside = column >= 0 && row >= 0 && column < columns && row < table.rows.length;
        return inside ? [column, row] : undefined;
      },
      move: (cursor, dx, dy) =>
        cursor
          ? [clamp(cursor[0] + dx, columns - 1), clamp(cursor[1] + dy, table.rows.length - 1)]
          : [0, 0],
      read: ([column, row]) => {
        const line = table.rows[row] ?? [];
        const value = format(line[column + 1], reading.digits);
        const word = reading.texts?.[row * columns + column];
        const place = `${reading.rowTitle} ${line[0]} · ${reading.columnTitle} ${table.columns[column + 1]}`;
        return `${place} · ${word === undefined ? "" : `${word} · `}${reading.valueTitle} ${value}`;
      },
      mark: (cursor) => {
        box.setAttribute("visibility", cursor ? "visible" : "hidden");
        if (!cursor) return;
        box.setAttribute("x", String(cursor[0]));
        box.setAttribute("y", String(cursor[1]));
      },
    };
  };

  const lines = (figure: PlotElement, { reading }: Data): View | undefined => {
    const svg = figure.querySelector(".stage svg");
    const line = figure.querySelector(".cursor");
    if (!svg || !line || !reading) return undefined;
    const { left, right, low, high, log, series, digits, xTitle } = reading;
    const scale = (value: number): number => (log ? Math.log(value) : value);
    const xs = [...new Set(series.flatMap(({ x }) => x))].sort((a, b) => a - b);
    const positions = xs.map(
      (x) => left + ((scale(x) - scale(low)) / (scale(high) - scale(low))) * (right - left),
    );
    const values = series.map(({ name, x, y }) => ({
      name,
      at: new Map(x.map((key, i) => [key, y[i]])),
    }));
    return {
      locate: (event) => {
        const { x } = pointIn(svg, event);
        let nearest = 0;
        positions.forEach((position, i) => {
          if (Math.abs(position - x) < Math.abs((positions[nearest] ?? 0) - x)) nearest = i;
        });
        return xs.length === 0 ? undefined : [nearest, 0];
      },
      move: (cursor, dx) =>
        xs.length === 0 ? undefined : [clamp((cursor?.[0] ?? -1) + dx, xs.length - 1), 0],
      read: ([index]) => {
        const x = xs[index] ?? 0;
        const found = values.filter(({ at }) => at.has(x));
        const words = found.map(({ name, at }) => `${name} ${format(at.get(x), digits)}`);
        return [`${xTitle} ${format(x, 6)}`, ...words].join(" · ");
      },
      mark: (cursor) => {
        line.setAttribute("visibility", cursor ? "visible" : "hidden");
        if (!cursor) return;
        line.setAttribute("x1", String(positions[cursor[0]]));
        line.setAttribute("x2", String(positions[cursor[0]]));
      },
    };
  };

  const tokens = (figure: PlotElement, { table }: Data): View => {
    const spans = [...figure.querySelectorAll(".token")];
    return {
      locate: ({ target }) => {
        const span = (target as PlotElement).closest(".token");
        return span ? [Number(span.dataset["i"]), 0] : undefined;
      },
      move: (cursor, dx) => [clamp((cursor?.[0] ?? -1) + dx, spans.length - 1), 0],
      read: ([index]) => {
        const [position, token, value, note] = table.rows[index] ?? [];
        const number = value === "" ? "none" : format(value, 4);
        return [
          `token ${position} ${token}`,
          `${table.columns[2]} ${number}`,
          ...(note ? [note] : []),
        ].join(" · ");
      },
      mark: (cursor) => {
        spans.forEach((span, i) => span.classList.toggle("at", i === cursor?.[0]));
      },
    };
  };

  const csv = ({ columns, rows }: Data["table"]): string => {
    const field = (value: unknown): string =>
      /[",\n]/.test(String(value)) ? `"${String(value).replaceAll('"', '""')}"` : String(value);
    return [columns, ...rows].map((row) => row.map(field).join(",")).join("\r\n");
  };

  const views: Record<string, (figure: PlotElement, data: Data) => View | undefined> = {
    heat,
    lines,
    tokens,
  };
  for (const figure of root.querySelectorAll("figure.plot")) {
    const source = figure.querySelector('script[type="application/json"]');
    const data = JSON.parse(source?.textContent ?? "null") as Data | null;
    if (!data) continue;

    const save = figure.querySelector(".save");
    if (save) {
      save.hidden = false;
      save.addEventListener("click", () => {
        const { document, Blob, URL } = globalThis as unknown as {
          document: { createElement(name: string): PlotElement };
          Blob: new (parts: string[], options: { type: string }) => object;
          URL: { createObjectURL(blob: object): string };
        };
        const link = document.createElement("a");
        link.href = URL.createObjectURL(new Blob([csv(data.table)], { type: "text/csv" }));
        link.download = `${data.title.replace(/[^\w-]+/g, "-").toLowerCase()}.csv`;
        link.click();
      });
    }

    const stage = figure.querySelector(".stage");
    const readout = figure.querySelector(".readout");
    const view = views[figure.dataset["kind"] ?? ""]?.(figure, data);
    if (!stage || !readout || !view) continue;
    let cursor: Cursor | undefined;
    const show = (next: Cursor | undefined): void => {
      cursor = next;
      view.mark(cursor);
      readout.textContent = cursor ? view.read(cursor) : "";
    };
    const steps: Record<string, Cursor> = {
      ArrowLeft: [-1, 0],
      ArrowRight: [1, 0],
      ArrowUp: [0, -1],
      ArrowDown: [0, 1],
    };
    stage.addEventListener("pointermove", (event) => show(view.locate(event)));
    stage.addEventListener("pointerleave", () => show(undefined));
    stage.addEventListener("keydown", (event) => {
      if (event.key === "Escape") show(undefined);
      const step = steps[event.key];
      if (!step) return;
      event.preventDefault();
      show(view.move(cursor, step[0], step[1]));
    });
  }
}
