/** DuckDB in this process, kept small: SQL over files of data. */
import type { DuckDBConnection } from "@duckdb/node-api";

/** Enough to read row groups of any usual size; larger ones are an error, not a swap file. */
const MEMORY_LIMIT = "1GB";

/**
 * A database in memory. One thread: rows come in the order of their file, and equal queries write equal bytes.
 * `[Symbol.dispose]` closes it.
 */
export async function openDatabase(): Promise<{ connection: DuckDBConnection } & Disposable> {
  // Loaded only where it is needed: its library has 68 MB.
  const { DuckDBInstance } = await import("@duckdb/node-api");
  const instance = await DuckDBInstance.create(":memory:", {
    threads: "1",
    memory_limit: MEMORY_LIMIT,
    temp_directory: "",
    autoinstall_known_extensions: "false",
  });
  const connection = await instance.connect();
  return {
    connection,
    [Symbol.dispose]: () => {
      connection.closeSync();
      instance.closeSync();
    },
  };
}

/** A text as SQL has it. */
export function quoted(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}
