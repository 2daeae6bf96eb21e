/** Rows that cannot be used: an error at the first, or put aside and counted, as asked. */
import { LabError } from "../../base/errors.ts";
import { AppendFile } from "../append-file.ts";

/** What is wrong with a row, in words that follow `file:line: `. Thrown by what reads rows. */
export class RowProblem extends Error {}

export interface BadRow {
  file: string;
  /** Counted from 1. */
  line: number;
  problem: string;
}

export interface BadRowReport {
  count: number;
  /** The first of them. */
  first: readonly BadRow[];
}

const NAMED_ROWS = 10;

export interface QuarantineOptions {
  /** Whether bad rows are put aside; otherwise the first one is an error. */
  skip: boolean;
  /** Takes the rows that are put aside, one JSON object a line; it appears with the first of them. */
  file?: string | undefined;
}

export class Quarantine {
  readonly #options: QuarantineOptions;
  readonly #first: BadRow[] = [];
  #file: AppendFile | undefined;
  #count = 0;

  constructor(options: QuarantineOptions) {
    this.#options = options;
  }

  get report(): BadRowReport {
    return { count: this.#count, first: this.#first };
  }

  /**
   * Puts a row aside, with its text as it stands in its file.
   * Throws `bad_input` with file and line where rows are not to be put aside.
   */
  async add(row: BadRow, text: string): Promise<void> {
    if (!this.#options.skip)
      throw new LabError("bad_input", `${row.file}:${row.line}: ${row.problem}`, {
        hint: "Correct the row, or leave out all rows that are wrong with --skip-bad-rows.",
      });
    this.#count++;
    if (this.#first.length < NAMED_ROWS) this.#first.push(row);
    if (this.#options.file === undefined) return;
    this.#file ??= await AppendFile.open(this.#options.file);
    this.#file.append(`${JSON.stringify({ ...row, text })}\n`);
  }

  async close(): Promise<void> {
    await this.#file?.close();
  }
}
