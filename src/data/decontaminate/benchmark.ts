/** Benchmarks as lists of items with a text, and code where they have some. */
import path from "node:path";
import { LabError } from "../../base/errors.ts";
import { readLines } from "../../base/lines.ts";
import { openDatabase, quoted } from "../database.ts";
import { parseObject } from "../document.ts";

export interface BenchmarkItem {
  benchmark: string;
  id: string;
  /** Everything of it that is text: what must not be learned by heart. */
  text: string;
  /** A Python program that solves it. */
  code?: string;
  /** The function that its tests call. */
  entryPoint?: string;
}

type Row = Readonly<Record<string, unknown>>;

/** Columns that say nothing of an item but its name, its tests or its kind. */
const NOT_TEXT =
  /^(id|task_id|entry_point|test|tests|test_.*|challenge_test_list|source_file|label|gold|licen[cs]e|idx|ind|split)$/i;
const CODE = ["canonical_solution", "code", "solution"];

/**
 * The items of a file: JSON lines, a JSON list, CSV with a header, Parquet. `canonical_solution` (after `prompt`) or `code`
 * is a program; all texts together are the item's text.
 *
 * @throws LabError `not_found`, `unsupported`, `corrupt_file`, `bad_input` where it has no items
 */
export async function readBenchmark(file: string): Promise<BenchmarkItem[]> {
  const benchmark = path.basename(file).replace(/\.[^.]*(\.gz|\.zst)?$/, "");
  const items: BenchmarkItem[] = [];
  for await (const row of readRows(file)) {
    const item = itemOf(row, { benchmark, number: items.length + 1 });
    if (item !== undefined) items.push(item);
  }
  if (items.length > 0) return items;
  throw new LabError("bad_input", `${file} has no items with a text`, {
    hint: "Each row is an item: its columns with texts are what is looked for.",
  });
}

async function* readRows(file: string): AsyncGenerator<Row> {
  if (/\.(jsonl|ndjson)(\.gz|\.zst)?$/.test(file)) {
    for await (const { text, number } of readLines(file)) {
      if (text?.trim() === "") continue;
      try {
        yield parseObject(text);
      } catch (error) {
        throw new LabError("corrupt_file", `${file}:${number}: ${(error as Error).message}`);
      }
    }
    return;
  }
  const read = /\.json(\.gz)?$/.test(file)
    ? `read_json(${quoted(file)}, format = 'array', maximum_object_size = 268435456)`
    : /\.csv(\.gz)?$/.test(file)
      ? `read_csv(${quoted(file)}, all_varchar = true)`
      : /\.parquet$/.test(file)
        ? `read_parquet(${quoted(file)})`
        : undefined;
  if (read === undefined)
    throw new LabError("unsupported", `${file} is no benchmark that philab reads`, {
      hint: "It reads .jsonl, .json (a list), .csv (with a header) and .parquet.",
    });
  using database = await openDatabase();
  try {
    const rows = await database.connection.run(`SELECT CAST(to_json(t) AS VARCHAR) FROM ${read} t`);
    for (const [json] of await rows.getRows()) yield JSON.parse(String(json)) as Row;
  } catch (error) {
    throw new LabError("corrupt_file", `${file}: ${(error as Error).message.split("\n")[0]}`, {
      cause: error,
    });
  }
}

function itemOf(
  row: Row,
  { benchmark, number }: { benchmark: string; number: number },
): BenchmarkItem | undefined {
  const given = row["task_id"] ?? row["id"];
  const id = typeof given === "string" || typeof given === "number" ? String(given) : `${number}`;
  const text = Object.entries(row)
    .filter(([name]) => !NOT_TEXT.test(name))
    .flatMap(([, value]) => textsIn(value))
    .join("\n");
  if (text.trim() === "") return undefined;
  const column = CODE.find((name) => typeof row[name] === "string");
  const solution = column === undefined ? undefined : String(row[column]).replaceAll("\r\n", "\n");
  const prompt =
    column === "canonical_solution" && typeof row["prompt"] === "string" ? row["prompt"] : "";
  const entryPoint = row["entry_point"];
  return {
    ...{ benchmark, id, text },
    ...(solution === undefined ? {} : { code: prompt + solution }),
    ...(typeof entryPoint === "string" ? { entryPoint } : {}),
  };
}

function textsIn(value: unknown): string[] {
  if (typeof value === "string") return [value];
  if (typeof value !== "object" || value === null) return [];
  return Object.values(value).flatMap(textsIn);
}
