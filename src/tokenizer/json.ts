import { corruptTokenizer } from "./data.ts";

export type JsonObject = Readonly<Record<string, unknown>>;

/** Checked reading of one JSON file: every complaint is a `corrupt_file` that names the file and the field. */
export class JsonFile {
  readonly source: string;
  readonly root: JsonObject;

  constructor(source: string, text: string) {
    this.source = source;
    let root: unknown;
    try {
      root = JSON.parse(text);
    } catch (error) {
      throw corruptTokenizer(source, `it is no JSON: ${(error as SyntaxError).message}`);
    }
    this.root = this.object(root, "the file");
  }

  object(value: unknown, field: string): JsonObject {
    if (typeof value === "object" && value !== null && !Array.isArray(value))
      return value as JsonObject;
    throw this.wrong(value, field, "an object");
  }

  array(value: unknown, field: string): readonly unknown[] {
    if (Array.isArray(value)) return value;
    throw this.wrong(value, field, "a list");
  }

  string(value: unknown, field: string): string {
    if (typeof value === "string") return value;
    throw this.wrong(value, field, "a text");
  }

  /** `fallback` when the field is absent or null. */
  boolean(value: unknown, field: string, fallback: boolean): boolean {
    if (value === undefined || value === null) return fallback;
    if (typeof value === "boolean") return value;
    throw this.wrong(value, field, "true or false");
  }

  wrong(value: unknown, field: string, expected: string): Error {
    return corruptTokenizer(this.source, `${field} is ${describe(value)}, not ${expected}`);
  }
}

/** A value from a file as an error names it: short, on one line, whatever it is. */
export function describe(value: unknown): string {
  if (value === undefined) return "missing";
  if (Array.isArray(value)) return `a list of ${value.length}`;
  if (typeof value === "object" && value !== null) return "an object";
  const text = typeof value === "bigint" ? `${value}` : JSON.stringify(value);
  return text.length <= 60 ? text : `${text.slice(0, 57)}…`;
}
