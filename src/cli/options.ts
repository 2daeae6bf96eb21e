/** A command's schemas as Commander's options and arguments, and what was typed as the values that the schemas check. */
import { Argument, Option, type Command } from "commander";
import type { z } from "zod";
import { LabError } from "../base/errors.ts";
import { toJson } from "../base/json.ts";
import { checkValue, fromText, fromTexts, shapeOf, type OptionShape } from "../base/schema.ts";
import type { Schemas } from "./command.ts";

/** What Commander collected for one name: a switch, or every text that was given. */
type Typed = boolean | string[] | undefined;

/** `maxTokens` → `--max-tokens`. */
function flagName(key: string): string {
  return `--${key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}

/**
 * Adds an option for every schema; each collects the texts that it was given. A boolean is a switch: `--verbose`, or
 * `--no-measure` where it is on by default.
 */
export function addOptions(command: Command, schemas: Schemas): void {
  for (const [key, schema] of Object.entries(schemas)) {
    const shape = shapeOf(schema);
    const short = shape.short === undefined ? "" : `-${shape.short}, `;
    if (shape.type !== "boolean") {
      const flag = `${short}${flagName(key)} <${placeholder(shape)}>`;
      command.addOption(new Option(flag, describe(shape)).argParser(collect));
    } else if (shape.default === true) {
      const flag = flagName(key).replace("--", "--no-");
      command.addOption(new Option(flag, `do not ${describe(shape)}`));
    } else command.addOption(new Option(`${short}${flagName(key)}`, describe(shape)));
  }
}

/** Adds a positional argument for every schema, in order. */
export function addArguments(command: Command, schemas: Schemas): void {
  for (const [key, schema] of Object.entries(schemas)) {
    const shape = shapeOf(schema);
    const name = `${flagName(key).slice(2)}${shape.type === "array" ? "..." : ""}`;
    const argument = new Argument(isOptional(schema) ? `[${name}]` : `<${name}>`, describe(shape));
    command.addArgument(argument);
  }
}

/** The values of `schemas` from what Commander collected. Throws `bad_input` for the first that does not fit. */
export function readOptions(
  schemas: Schemas,
  typed: Readonly<Record<string, unknown>>,
): Record<string, unknown> {
  return readAll(schemas, (key, schema) => [flagName(key), fromTyped(schema, typed[key] as Typed)]);
}

/** The values of positional arguments, in order. Each word is one value: a text in a list may hold commas. */
export function readArguments(
  schemas: Schemas,
  typed: readonly (string | string[] | undefined)[],
): Record<string, unknown> {
  const position = new Map(Object.keys(schemas).map((key, i) => [key, i]));
  return readAll(schemas, (key, schema) => {
    const found = typed[position.get(key) ?? -1];
    const name = `<${flagName(key).slice(2)}>`;
    if (typeof found === "string") return [name, fromText(schema, found)];
    return [name, found === undefined || found.length === 0 ? undefined : fromTexts(schema, found)];
  });
}

function readAll(
  schemas: Schemas,
  find: (key: string, schema: z.ZodType) => readonly [name: string, given: unknown],
): Record<string, unknown> {
  const values: Record<string, unknown> = {};
  for (const [key, schema] of Object.entries(schemas)) {
    const [name, given] = find(key, schema);
    if (given === undefined && !isOptional(schema))
      throw new LabError("bad_input", `${name} is required`);
    const value = checkValue(schema, given, name);
    if (value !== undefined) values[key] = value;
  }
  return values;
}

function fromTyped(schema: z.ZodType, typed: Typed): unknown {
  if (!Array.isArray(typed)) return typed;
  if (shapeOf(schema).type === "array") return typed.flatMap((text) => fromText(schema, text));
  const last = typed.at(-1);
  return last === undefined ? undefined : fromText(schema, last);
}

function collect(text: string, before: string[] | undefined): string[] {
  return [...(before ?? []), text];
}

function isOptional(schema: z.ZodType): boolean {
  return schema.safeParse(undefined).success;
}

function placeholder(shape: OptionShape): string {
  if (shape.placeholder !== undefined) return shape.placeholder;
  if (shape.enum) return "name";
  if (shape.type === "array") return "list";
  return shape.type === "integer" || shape.type === "number" ? "number" : "text";
}

/** `where to compute (auto, cpu, cuda; default: auto)`. */
function describe({
  type,
  enum: choices,
  default: initial,
  description = "",
}: OptionShape): string {
  const remarks = [
    ...(choices ? [choices.join(", ")] : []),
    ...(initial === undefined || type === "boolean" || isEmpty(initial)
      ? []
      : [`default: ${asTyped(initial)}`]),
  ];
  return remarks.length === 0 ? description : `${description} (${remarks.join("; ")})`;
}

function isEmpty(value: unknown): boolean {
  return typeof value === "object" && value !== null && Object.keys(value).length === 0;
}

/** A default as a person would type it. */
function asTyped(value: unknown): string {
  if (Array.isArray(value)) return value.map(asTyped).join(",");
  return typeof value === "string" ? value : toJson(value);
}
