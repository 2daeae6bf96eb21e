/** Parquet through DuckDB, a chunk of rows at a time: a file of any size takes the memory of a few thousand rows. */
import { LabError } from "../base/errors.ts";
import { openDatabase, quoted } from "./database.ts";

export interface ParquetRow {
  /** Counted from 1. */
  number: number;
  /** The row as a JSON object. */
  json: string;
}

/**
 * The rows of a Parquet file in order.
 *
 * @param shard - only rows whose number, counted from 0, leaves `index` when divided by `count`
 * @throws LabError `corrupt_file`
 */
export async function* readParquet(
  file: string,
  { index, count }: { index: number; count: number } = { index: 0, count: 1 },
): AsyncGenerator<ParquetRow, void, undefined> {
  using database = await openDatabase();
  try {
    const result = await database.connection.stream(
      `SELECT n, CAST(to_json(t) AS VARCHAR) FROM (SELECT file_row_number AS n, COLUMNS(* EXCLUDE (file_row_number)) FROM read_parquet(${quoted(file)}, file_row_number = true)) t WHERE n % ${count} = ${index}`,
    );
    for (;;) {
      const chunk = await result.fetchChunk();
      if (chunk === null || chunk.rowCount === 0) return;
      for (const [number, json] of chunk.getRows())
        yield { number: Number(number) + 1, json: withoutFirst(String(json)) };
    }
  } catch (error) {
    throw inFile(file, error);
  }
}

/**
 * A file of documents (`.jsonl`) as a Parquet file with one column a field, scores as a map.
 *
 * @throws LabError `corrupt_file`, `disk_full`
 */
export async function writeParquet(jsonl: string, parquet: string): Promise<void> {
  using database = await openDatabase();
  const columns =
    "{id: 'VARCHAR', text: 'VARCHAR', source: 'VARCHAR', licence: 'VARCHAR', language: 'VARCHAR', scores: 'MAP(VARCHAR, DOUBLE)', metadata: 'JSON'}";
  try {
    await database.connection.run(
      `COPY (SELECT * FROM read_json(${quoted(jsonl)}, format = 'newline_delimited', maximum_object_size = 268435456, columns = ${columns})) TO ${quoted(parquet)} (FORMAT parquet, COMPRESSION zstd)`,
    );
  } catch (error) {
    throw inFile(parquet, error);
  }
}

/** `{"n":5,"id":…}` without the row's number. */
function withoutFirst(json: string): string {
  return `{${json.slice(json.indexOf(",") + 1)}`;
}

function inFile(file: string, error: unknown): LabError {
  const message = (error as Error).message.split("\n")[0] ?? "";
  if (/no space left/i.test(message))
    return new LabError("disk_full", `no space left on the device: ${file}`, {
      hint: "Free some space, or write to another disk.",
      cause: error,
    });
  return new LabError("corrupt_file", `${file}: ${message}`, { cause: error });
}
