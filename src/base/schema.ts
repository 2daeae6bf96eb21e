/**
 * Schemas (zod) at philab's borders: text from a command line or a variable into the value a schema checks, what a
 * schema expects in words, and failures as `LabError`. One schema thereby serves flags, settings, files and endpoints.
 */
import { z } from "zod";
import { LabError } from "./errors.ts";
import { didYouMean, listOf } from "./suggest.ts";

/** The part of JSON Schema that philab's options use; the last three come from `.meta()`. */
export interface OptionShape {
  type?: "string" | "number" | "integer" | "boolean" | "array" | "object" | "null";
  description?: string;
  enum?: readonly unknown[];
  items?: OptionShape;
  additionalProperties?: OptionShape;
  anyOf?: readonly OptionShape[];
  minimum?: number;
  maximum?: number;
  exclusiveMinimum?: number;
  exclusiveMaximum?: number;
  default?: unknown;
  placeholder?: string;
  short?: string;
  /** A list whose texts may hold commas and white space: each is given by itself. */
  verbatim?: boolean;
}

const shapes = new WeakMap<z.ZodType, OptionShape>();

/** What `schema` takes, as JSON Schema. */
export function shapeOf(schema: z.ZodType): OptionShape {
  const known = shapes.get(schema);
  if (known !== undefined) return known;
  const shape = z.toJSONSchema(schema, { io: "input", unrepresentable: "any" }) as OptionShape;
  shapes.set(schema, shape);
  return shape;
}

/**
 * A text as the value that `schema` checks: numbers where it wants numbers, lists split at commas, `key:value` pairs
 * where it wants an object, `true`/`false` where it wants a boolean. Text that does not fit is passed on as it is, so
 * that the schema refuses it.
 */
export function fromText(schema: z.ZodType, text: string): unknown {
  return readAs(shapeOf(schema), text);
}

/** Texts, each one item of the list that `schema` checks: nothing is split. */
export function fromTexts(schema: z.ZodType, texts: readonly string[]): unknown[] {
  const { items = {} } = shapeOf(schema);
  return texts.map((text) => readAs(items, text));
}

function readAs(shape: OptionShape, text: string): unknown {
  switch (shape.type) {
    case "integer":
    case "number":
      return text.trim() === "" || Number.isNaN(Number(text)) ? text : Number(text);
    case "boolean":
      return text === "true" || text === "1"
        ? true
        : text === "false" || text === "0"
          ? false
          : text;
    case "array": {
      const items = shape.items ?? {};
      if (shape.verbatim) return [readAs(items, text)];
      const parts = text.split(",").map((part) => part.trim());
      return parts.flatMap((part) => expandRange(items, part) ?? [readAs(items, part)]);
    }
    case "object":
      return readPairs(shape.additionalProperties ?? {}, text);
    default:
      return text;
  }
}

/** `5:-100,7:2` as `{"5": -100, "7": 2}`; a text that is no such list stays as it is. */
function readPairs(values: OptionShape, text: string): unknown {
  const pairs = text.split(",").map((pair) => /^([^:]*):(.*)$/.exec(pair.trim()));
  return pairs.every((pair) => pair !== null)
    ? Object.fromEntries(pairs.map(([, key = "", value = ""]) => [key, readAs(values, value)]))
    : text;
}

/** `3-6` in a list of whole numbers is 3, 4, 5, 6. */
function expandRange(items: OptionShape, part: string): number[] | undefined {
  const [, from, to] = /^(\d{1,7})-(\d{1,7})$/.exec(part) ?? [];
  if (items.type !== "integer" || from === undefined || to === undefined) return undefined;
  const length = Number(to) - Number(from) + 1;
  if (length < 1 || length > 1_000_000) return undefined;
  return Array.from({ length }, (_, i) => Number(from) + i);
}

/** What `schema` expects, in words: `a whole number from 1 to 64`, `auto, cpu or cuda`. */
export function expectation(schema: z.ZodType): string {
  return inWords(shapeOf(schema));
}

function inWords(shape: OptionShape): string {
  if (shape.enum) return listOf(shape.enum.map(String), "or");
  if (shape.anyOf) return listOf(shape.anyOf.map(inWords), "or");
  switch (shape.type) {
    case "integer":
      return `a whole number${bounds(shape)}`;
    case "number":
      return `a number${bounds(shape)}`;
    case "boolean":
      return "true or false";
    case "array":
      return `a list, each ${inWords(shape.items ?? {})}`;
    case "object":
      return shape.additionalProperties === undefined ? "an object" : "key:value pairs";
    case "null":
      return "nothing";
    default:
      return "text";
  }
}

/** ` from 1 to 64`, ` of at least 1`, ` above 0 and at most 1`; the limits of safe integers are no bounds. */
function bounds(shape: OptionShape): string {
  const low = finite(shape.minimum);
  const high = finite(shape.maximum);
  if (low !== undefined && high !== undefined) return ` from ${low} to ${high}`;
  const parts = [
    ...(low === undefined ? [] : [`of at least ${low}`]),
    ...(shape.exclusiveMinimum === undefined ? [] : [`above ${shape.exclusiveMinimum}`]),
    ...(high === undefined ? [] : [`of at most ${high}`]),
    ...(shape.exclusiveMaximum === undefined ? [] : [`below ${shape.exclusiveMaximum}`]),
  ];
  return parts.length === 0 ? "" : ` ${parts.join(" and ")}`;
}

const finite = (bound: number | undefined): number | undefined =>
  bound === undefined || Math.abs(bound) >= Number.MAX_SAFE_INTEGER ? undefined : bound;

/**
 * `value` checked by `schema`. Throws `bad_input` that starts with `what` (`--max-tokens`, `PHILAB_THREADS`) and says
 * what was found and what is expected; a near miss of a fixed set gets a suggestion.
 */
export function checkValue<S extends z.ZodType>(
  schema: S,
  value: unknown,
  what: string,
): z.output<S> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const custom = parsed.error.issues.find((issue) => issue.code === "custom");
  const expected = custom?.message ?? `expected ${expectation(schema)}`;
  const choices = shapeOf(schema).enum?.map(String) ?? [];
  const hint = typeof value === "string" ? didYouMean(value, choices) : undefined;
  throw new LabError(
    "bad_input",
    `${what} ${inShort(value)}: ${expected}`,
    hint === undefined ? {} : { hint },
  );
}

/**
 * `value` (parsed JSON of a file or a request) checked by an object schema; unknown keys are refused where the schema
 * is strict, with the key that was probably meant. Throws `code` and names every field that is wrong.
 */
export function checkObject<S extends z.ZodObject>(
  schema: S,
  value: unknown,
  { what, code = "bad_input" }: { what: string; code?: "bad_input" | "corrupt_file" },
): z.output<S> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const known = Object.keys(schema.shape);
  const problems = parsed.error.issues.map(describeIssue);
  const hints = parsed.error.issues
    .flatMap((issue) => (issue.code === "unrecognized_keys" ? issue.keys : []))
    .map((key) => didYouMean(key, known) ?? `It takes ${listOf(known, "and")}.`);
  if (hints.length === 0 && code === "corrupt_file")
    hints.push("The file is damaged, or something else than philab expects wrote it.");
  throw new LabError(
    code,
    `${what}: ${problems.join("; ")}`,
    hints.length === 0 ? {} : { hint: [...new Set(hints)].join(" ") },
  );
}

function describeIssue(issue: z.core.$ZodIssue): string {
  if (issue.code === "unrecognized_keys")
    return `unknown ${issue.keys.length === 1 ? "key" : "keys"} ${issue.keys.join(", ")}`;
  const where = issue.path.length === 0 ? "" : `${issue.path.join(".")}: `;
  return where + (describeBound(issue) ?? issue.message.replace(/^Invalid (input|option): /, ""));
}

/** A number outside its bounds, in our words. */
function describeBound(issue: z.core.$ZodIssue): string | undefined {
  if (issue.code === "too_big" && issue.origin !== "string")
    return `expected ${issue.inclusive === false ? "less than" : "at most"} ${issue.maximum}`;
  if (issue.code === "too_small" && issue.origin !== "string")
    return `expected ${issue.inclusive === false ? "more than" : "at least"} ${issue.minimum}`;
  return undefined;
}

function inShort(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length <= 60 ? text : `${text.slice(0, 57)}…`;
}
