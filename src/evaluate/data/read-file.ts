/** Rows of a file: JSON lines, a JSON list, CSV with a header, Parquet; also compressed with gzip or bzip2. */
import { readFile } from "node:fs/promises";
import { gunzipSync } from "node:zlib";
import { parquetReadObjects } from "hyparquet";
import { LabError } from "../../base/errors.ts";
import { csvRows, jsonLines, jsonList } from "../tasks/forms.ts";
import type { Row } from "../task.ts";
import { bunzip } from "./bunzip.ts";

export const ROW_FILE = /\.(jsonl|json|csv|parquet)(\.gz|\.bz2)?$/;

/** Throws `not_found`, `corrupt_file`. */
export async function readRows(file: string): Promise<Row[]> {
  if (file.endsWith(".parquet")) return readParquet(file);
  const text = await readText(file);
  const [, kind] = ROW_FILE.exec(file) ?? [];
  try {
    return kind === "csv" ? csvRows(text) : kind === "json" ? jsonList(text) : jsonLines(text);
  } catch (error) {
    throw inFile(file, error);
  }
}

/** A text file, compressed or not. */
export async function readText(file: string): Promise<string> {
  const bytes = await readFile(file).catch((error: unknown) => {
    throw LabError.from(error);
  });
  try {
    if (file.endsWith(".gz")) return gunzipSync(bytes).toString("utf8");
    if (file.endsWith(".bz2")) return bunzip(bytes).toString("utf8");
    return bytes.toString("utf8");
  } catch (error) {
    throw inFile(file, error);
  }
}

async function readParquet(file: string): Promise<Row[]> {
  const bytes = await readFile(file).catch((error: unknown) => {
    throw LabError.from(error);
  });
  const buffer = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length);
  try {
    const rows = await parquetReadObjects({ file: buffer });
    // 64-bit numbers are BigInts there; rows are what JSON can say.
    return rows.map((row) => plain(row) as Row);
  } catch (error) {
    throw inFile(file, error);
  }
}

function plain(value: unknown): unknown {
  if (typeof value === "bigint") return Number(value);
  if (ArrayBuffer.isView(value)) return Array.from(value as unknown as ArrayLike<unknown>, plain);
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, plain(inner)]));
}

function inFile(file: string, error: unknown): LabError {
  const { message } = LabError.from(error);
  return new LabError("corrupt_file", `${file}: ${message}`, { cause: error });
}
