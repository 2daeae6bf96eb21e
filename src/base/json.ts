/**
 * JSON for results. `JSON.stringify` writes NaN and ±Infinity as null and a Float32Array as an object; a loss that
 * became NaN must not read as "no value", so they are written as the strings "NaN", "Infinity" and "-Infinity".
 */

export type JsonValue =
  | null
  | boolean
  | number
  | string
  | readonly JsonValue[]
  | { readonly [key: string]: JsonValue | undefined };

export type JsonObject = { readonly [key: string]: JsonValue | undefined };

/** `value` as JSON text: non-finite numbers as strings, typed arrays as arrays, big integers as strings. */
export function toJson(value: unknown, indent?: number): string {
  return JSON.stringify(value, replacer, indent);
}

function replacer(_key: string, value: unknown): unknown {
  if (typeof value === "number" && !Number.isFinite(value)) return String(value);
  if (typeof value === "bigint") return value.toString();
  if (ArrayBuffer.isView(value) && !(value instanceof DataView))
    return Array.from(value as Float32Array);
  return value;
}
