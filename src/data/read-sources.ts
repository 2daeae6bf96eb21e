/** From files to documents, those of one shard at a time. What cannot be a document is handed over with its place. */
import { throwIfInterrupted } from "../base/atomic.ts";
import { LabError } from "../base/errors.ts";
import type { JsonObject, JsonValue } from "../base/json.ts";
import { readLines, readWholeText } from "../base/lines.ts";
import { listOf } from "../base/suggest.ts";
import { DocumentProblem, parseObject, type Document } from "./document.ts";
import { readParquet } from "./parquet.ts";
import type { SourceFile } from "./source-files.ts";

/** What a source says of all its documents, and what its columns are called. */
export interface SourceOptions {
  /** The name of the source, where rows have none of their own. */
  source: string;
  licence?: string | undefined;
  language?: string | undefined;
  /** The column with the text. Default `text`, or `content`. */
  textColumn?: string | undefined;
  /** The column with a name that no two rows share. Default `id`; without one, documents are named by file and line. */
  idColumn?: string | undefined;
}

/** A row that is no document, as it stands in its file. */
export interface BadRow {
  file: string;
  /** Counted from 1. */
  line: number;
  problem: string;
  /** Empty where it is no UTF-8. */
  text: string;
}

export type SourceRow = { document: Document; bad?: undefined } | { bad: BadRow };

/** A file to read, with what its source says of it. */
export interface PlannedFile {
  file: SourceFile;
  options: SourceOptions;
  /** Known where it is a part of a corpus. */
  sha256?: string;
}

export interface Shard {
  /** Counted from 0. */
  index: number;
  count: number;
}

export interface ReadOptions {
  signal?: AbortSignal | undefined;
  onBytes?: ((bytes: number) => void) | undefined;
}

/**
 * The documents of one shard. With at least as many files as shards, file `f` belongs to shard `f mod count`; otherwise
 * row `r` of every file belongs to shard `r mod count`, and each shard skips over what is not its own.
 *
 * @throws LabError `bad_input` where a file's first row has no text column, `corrupt_file`, `interrupted`
 */
export async function* readSources(
  files: readonly PlannedFile[],
  { shard, signal, onBytes }: ReadOptions & { shard: Shard },
): AsyncGenerator<SourceRow, void, undefined> {
  let doneBytes = 0;
  const read: ReadOptions = { signal, onBytes: (bytes) => onBytes?.(doneBytes + bytes) };
  for (const { file, options } of filesOfShard(files, shard)) {
    const rows = isByFile(files, shard) ? { index: 0, count: 1 } : shard;
    if (file.kind === "text") yield await readTextFile(file, { ...options, ...read });
    else yield* readRowFile(file, { ...options, ...read, shard: rows });
    doneBytes += file.sizeBytes;
  }
}

/** The files that a shard reads, all of them or every `count`-th row of each. */
export function filesOfShard(files: readonly PlannedFile[], shard: Shard): readonly PlannedFile[] {
  const mine = (f: number): boolean => f % shard.count === shard.index;
  if (isByFile(files, shard)) return files.filter((_, f) => mine(f));
  return files.filter(({ file }, f) => file.kind !== "text" || mine(f));
}

function isByFile(files: readonly PlannedFile[], { count }: Shard): boolean {
  return files.length >= count;
}

async function* readRowFile(
  file: SourceFile,
  options: SourceOptions & ReadOptions & { shard: Shard },
): AsyncGenerator<SourceRow, void, undefined> {
  const rows =
    file.kind === "parquet" ? readParquetRows(file, options) : readLineRows(file, options);
  let textColumn = options.textColumn;
  for await (const { line, text } of rows) {
    throwIfInterrupted(options.signal);
    try {
      const row = parseObject(text);
      textColumn ??= findTextColumn(row, `${file.path}:${line}`);
      yield { document: rowDocument(row, { ...options, file, line, textColumn }) };
    } catch (error) {
      if (!(error instanceof DocumentProblem)) throw error;
      yield { bad: { file: file.name, line, problem: error.message, text: text ?? "" } };
    }
  }
}

interface Row {
  line: number;
  text: string | undefined;
}

async function* readLineRows(
  { path }: SourceFile,
  { shard: { index, count }, ...options }: ReadOptions & { shard: Shard },
): AsyncGenerator<Row, void, undefined> {
  for await (const { number, text } of readLines(path, options)) {
    if ((number - 1) % count !== index || text?.trim() === "") continue;
    yield { line: number, text };
  }
}

async function* readParquetRows(
  { path, sizeBytes }: SourceFile,
  { shard, onBytes }: ReadOptions & { shard: Shard },
): AsyncGenerator<Row, void, undefined> {
  for await (const { number, json } of readParquet(path, shard)) yield { line: number, text: json };
  onBytes?.(sizeBytes);
}

/** A file that is one document, unless it is empty, binary or in another encoding. */
async function readTextFile(
  file: SourceFile,
  { signal, onBytes, ...options }: SourceOptions & ReadOptions,
): Promise<SourceRow> {
  const bad = (problem: string): SourceRow => ({
    bad: { file: file.name, line: 1, problem, text: "" },
  });
  let text: string;
  try {
    text = await readWholeText(file.path, { signal, onBytes });
  } catch (error) {
    const { code, message } = LabError.from(error);
    if (code !== "corrupt_file" && code !== "unsupported") throw error;
    return bad(message.slice(message.indexOf(": ") + 2));
  }
  if (text.trim() === "") return bad("the file is empty");
  if (text.includes("\0")) return bad("the file is binary: it holds zero bytes");
  const { source, licence = null, language = file.language } = options;
  return {
    document: {
      ...{ id: `${source}/${file.name}`, text, source, licence, language, scores: {} },
      metadata: { path: file.name },
    },
  };
}

function findTextColumn(row: Readonly<Record<string, unknown>>, place: string): string {
  const found = ["text", "content"].find((name) => name in row);
  if (found !== undefined) return found;
  throw new LabError("bad_input", `${place} has no column with a text`, {
    hint: `Its columns are ${listOf(Object.keys(row).slice(0, 12), "and")}. Name the text's with --text-column.`,
  });
}

/** Columns that become fields of the document; all others are metadata. */
const FIELDS = ["source", "licence", "license", "language"];

function rowDocument(
  row: Readonly<Record<string, JsonValue | undefined>>,
  options: SourceOptions & { file: SourceFile; line: number; textColumn: string },
): Document {
  const { file, line, textColumn, idColumn = "id" } = options;
  const text = row[textColumn];
  if (typeof text !== "string") throw new DocumentProblem(`${textColumn} is no text`);
  if (text.trim() === "") throw new DocumentProblem(`${textColumn} is empty`);
  const given = row[idColumn];
  if (given === undefined && options.idColumn !== undefined)
    throw new DocumentProblem(`${idColumn} is missing`);
  const id =
    typeof given === "string" || typeof given === "number"
      ? String(given)
      : `${options.source}/${file.name}:${line}`;
  const { scores, metadata } = row;
  const taken = new Set([...FIELDS, textColumn, idColumn]);
  if (isNumbers(scores)) taken.add("scores");
  if (isPlain(metadata)) taken.add("metadata");
  const others = Object.entries(row).filter(([name]) => !taken.has(name));
  return {
    id,
    text,
    source: textOf(row["source"]) ?? options.source,
    licence: textOf(row["licence"]) ?? textOf(row["license"]) ?? options.licence ?? null,
    language: textOf(row["language"])?.toLowerCase() ?? options.language ?? null,
    scores: isNumbers(scores) ? scores : {},
    metadata: { ...(isPlain(metadata) ? metadata : {}), ...Object.fromEntries(others) },
  };
}

function textOf(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined;
}

function isPlain(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isNumbers(value: unknown): value is Record<string, number> {
  return isPlain(value) && Object.values(value).every(Number.isFinite);
}
