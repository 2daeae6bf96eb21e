/** Files of rows: what their texts become. */
import { LabError } from "../../base/errors.ts";
import type { Row } from "../task.ts";

/** One JSON object per line. */
export function jsonLines(text: string): Row[] {
  return text
    .split("\n")
    .flatMap((line, i) => (line.trim() === "" ? [] : [parse(line, `line ${i + 1}`)]));
}

/** A list of objects, or an object with one under `rows`, `data` or `examples`. */
export function jsonList(text: string): Row[] {
  const value: unknown = parse(text, "the file");
  if (Array.isArray(value)) return value as Row[];
  const { rows, data, examples } = value as Record<string, unknown>;
  const list = rows ?? data ?? examples;
  if (!Array.isArray(list)) throw new LabError("bad_input", "the file is no list of rows");
  return list as Row[];
}

function parse(text: string, where: string): Row {
  try {
    return JSON.parse(text) as Row;
  } catch (error) {
    throw new LabError("corrupt_file", `${where} is not JSON: ${(error as Error).message}`);
  }
}

/** Comma-separated values with quotes (RFC 4180), without a header: cells by place. */
export function csvCells(text: string): string[][] {
  const rows: string[][] = [];
  let row: string[] = [];
  let cell = "";
  let quoted = false;
  for (let i = 0; i < text.length; i++) {
    const c = text[i]!;
    if (quoted) {
      if (c !== '"') cell += c;
      else if (text[i + 1] === '"') cell += text[++i]!;
      else quoted = false;
    } else if (c === '"' && cell === "") quoted = true;
    else if (c === ",") {
      row.push(cell);
      cell = "";
    } else if (c === "\n" || (c === "\r" && text[i + 1] === "\n")) {
      if (c === "\r") i++;
      rows.push([...row, cell]);
      row = [];
      cell = "";
    } else cell += c;
  }
  if (cell !== "" || row.length > 0) rows.push([...row, cell]);
  return rows;
}

/** Rows under a header. */
export function csvRows(text: string): Row[] {
  const [header = [], ...rows] = csvCells(text);
  return rows.map((cells) => Object.fromEntries(header.map((name, i) => [name, cells[i] ?? ""])));
}

/** Labels of choices: A, B, C, … */
export function letters(count: number): string[] {
  return Array.from({ length: count }, (_, i) => String.fromCharCode(65 + i));
}
