/** The command line that does what a request asks for. */
import { isDeepStrictEqual } from "node:util";
import type { z } from "zod";
import { toJson } from "../../base/json.ts";
import { shapeOf } from "../../base/schema.ts";

/**
 * Flags for what differs from its default.
 *
 * @param name - the command: `data synth`
 * @param body - the request's schema; its keys are the command's options
 */
export function commandOf(
  name: string,
  body: z.ZodObject,
  asked: Readonly<Record<string, unknown>>,
): string[] {
  const shape = body.shape as Record<string, z.ZodType | undefined>;
  const flags = Object.entries(asked).flatMap(([key, value]): string[] => {
    if (value === undefined || key === "rows") return [];
    const schema = shape[key];
    const { default: initial, verbatim = false } = schema === undefined ? {} : shapeOf(schema);
    if (isDeepStrictEqual(initial, value)) return [];
    const flag = key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
    if (typeof value === "boolean") return [value ? `--${flag}` : `--no-${flag}`];
    if (Array.isArray(value) && verbatim) return value.flatMap((one) => [`--${flag}`, word(one)]);
    if (Array.isArray(value) && value.length === 0) return [];
    return [`--${flag}`, word(value)];
  });
  return ["philab", ...name.split(" "), ...flags];
}

function word(value: unknown): string {
  if (typeof value === "string") return value;
  if (Array.isArray(value)) return value.map(word).join(",");
  if (typeof value !== "object" || value === null) return toJson(value);
  return Object.entries(value)
    .map(([key, one]) => `${key}:${word(one)}`)
    .join(",");
}
