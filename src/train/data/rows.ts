/** The rows of data files, in order, each with its place: what every complaint about data names. */
import { LabError } from "../../base/errors.ts";
import { RowProblem } from "./bad-rows.ts";
import { rowReader, type Example, type FormOptions, type RowReader } from "./forms.ts";
import { readLines, readWholeText, type ReadOptions } from "../../base/lines.ts";
import type { DataFile } from "./sources.ts";

export interface DataRow {
  file: string;
  /** Counted from 1. */
  line: number;
  /** As it stands in the file; empty where it is no UTF-8. */
  text: string;
  /** What it holds. Throws `RowProblem` where it is not of the file's form. */
  read: () => Example;
}

/**
 * The rows of a file. Empty lines are no rows. The form is told from the first row that is an object and then holds for
 * the file.
 *
 * @throws LabError as `readLines` and `rowReader` do
 */
export async function* readRows(
  { path: file, kind }: DataFile,
  { signal, onBytes, ...form }: FormOptions & ReadOptions,
): AsyncGenerator<DataRow, void, undefined> {
  if (kind === "text") {
    const text = await readWholeText(file, { signal, onBytes });
    yield { file, line: 1, text, read: () => document(text) };
    return;
  }
  let reader: RowReader | undefined;
  for await (const { number: line, text } of readLines(file, { signal, onBytes })) {
    if (text?.trim() === "") continue;
    const read = (): Example => {
      const row = parseRow(text);
      reader ??= locate(() => rowReader(row, form), `${file}:${line}`);
      return reader.read(row);
    };
    yield { file, line, text: text ?? "", read };
  }
}

function document(text: string): Example {
  if (text === "") throw new RowProblem("the file is empty");
  return { kind: "text", text };
}

function parseRow(text: string | undefined): unknown {
  if (text === undefined) throw new RowProblem("the line is no UTF-8");
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    throw new RowProblem(`the line is no JSON: ${(error as Error).message}`);
  }
}

function locate<T>(make: () => T, place: string): T {
  try {
    return make();
  } catch (error) {
    if (!(error instanceof LabError)) throw error;
    const { code, message, hint } = error;
    throw new LabError(code, `${place}: ${message}`, hint === undefined ? {} : { hint });
  }
}
