/** GGUF metadata values: reading them from a file, and asking a parsed file for one of the type that is needed. */
import { LabError } from "../base/errors.ts";
import { corrupt } from "./corrupt.ts";
import type { HeaderReader } from "./header-reader.ts";
import { GGUF_TYPES, type GgufArray, type GgufType, type GgufValue } from "./types.ts";

/** The value of `key`: its type, then itself. */
export function readValue(reader: HeaderReader, key: string): GgufValue {
  const type = readType(reader, key);
  const what = `the value of "${key}"`;
  switch (type) {
    case "uint8":
      return { type, value: reader.bytes(1, what).readUInt8() };
    case "int8":
      return { type, value: reader.bytes(1, what).readInt8() };
    case "uint16":
      return { type, value: reader.bytes(2, what).readUInt16LE() };
    case "int16":
      return { type, value: reader.bytes(2, what).readInt16LE() };
    case "uint32":
      return { type, value: reader.uint32(what) };
    case "int32":
      return { type, value: reader.bytes(4, what).readInt32LE() };
    case "float32":
      return { type, value: reader.bytes(4, what).readFloatLE() };
    case "float64":
      return { type, value: reader.bytes(8, what).readDoubleLE() };
    case "uint64":
      return { type, value: reader.uint64(what) };
    case "int64":
      return { type, value: reader.bytes(8, what).readBigInt64LE() };
    case "bool":
      return { type, value: readBool(reader, what) };
    case "string":
      return { type, value: reader.string(what) };
    case "array":
      return readArray(reader, key);
  }
}

function readType(reader: HeaderReader, key: string): GgufType {
  const number = reader.uint32(`the type of "${key}"`);
  const type = GGUF_TYPES[number];
  if (type === undefined) throw corrupt(reader.file, `"${key}" has the unknown type ${number}`);
  return type;
}

function readBool(reader: HeaderReader, what: string): boolean {
  const [byte = 0] = reader.bytes(1, what);
  if (byte > 1) throw corrupt(reader.file, `${what} is ${byte}, neither true nor false`);
  return byte === 1;
}

function readArray(reader: HeaderReader, key: string): GgufArray {
  const items = readType(reader, key);
  const what = `the items of "${key}"`;
  const bytes = (itemBytes: number): ArrayBuffer => {
    const count = reader.count(`the length of "${key}"`, itemBytes);
    return Uint8Array.from(reader.bytes(count * itemBytes, what)).buffer;
  };
  const type = "array";
  switch (items) {
    case "uint8":
      return { type, items, value: new Uint8Array(bytes(1)) };
    case "int8":
      return { type, items, value: new Int8Array(bytes(1)) };
    case "uint16":
      return { type, items, value: new Uint16Array(bytes(2)) };
    case "int16":
      return { type, items, value: new Int16Array(bytes(2)) };
    case "uint32":
      return { type, items, value: new Uint32Array(bytes(4)) };
    case "int32":
      return { type, items, value: new Int32Array(bytes(4)) };
    case "float32":
      return { type, items, value: new Float32Array(bytes(4)) };
    case "float64":
      return { type, items, value: new Float64Array(bytes(8)) };
    case "uint64":
      return { type, items, value: new BigUint64Array(bytes(8)) };
    case "int64":
      return { type, items, value: new BigInt64Array(bytes(8)) };
    case "bool": {
      const length = reader.count(`the length of "${key}"`, 1);
      return { type, items, value: Array.from({ length }, () => readBool(reader, what)) };
    }
    case "string": {
      const length = reader.count(`the length of "${key}"`, 8);
      return { type, items, value: Array.from({ length }, () => reader.string(what)) };
    }
    case "array":
      // ggml's own reader refuses them too.
      throw new LabError("unsupported", `${reader.file}: "${key}" is an array of arrays`);
  }
}

/** Values to write, by their type in the file. */
export const ggufValue = {
  string: (value: string): GgufValue => ({ type: "string", value }),
  bool: (value: boolean): GgufValue => ({ type: "bool", value }),
  uint32: (value: number): GgufValue => ({ type: "uint32", value }),
  float32: (value: number): GgufValue => ({ type: "float32", value }),
  strings: (value: readonly string[]): GgufValue => ({ type: "array", items: "string", value }),
  int32s: (value: Int32Array): GgufValue => ({ type: "array", items: "int32", value }),
};

type Metadata = ReadonlyMap<string, GgufValue>;

/** The whole number at `key`, whatever its width, or undefined where there is none. */
export function ggufInteger(metadata: Metadata, key: string): number | undefined {
  const found = metadata.get(key);
  if (found === undefined) return undefined;
  const number = typeof found.value === "bigint" ? Number(found.value) : found.value;
  if (typeof number === "number" && Number.isSafeInteger(number)) return number;
  throw wrongType(key, found, "a whole number");
}

/** The number at `key`, or undefined where there is none. */
export function ggufNumber(metadata: Metadata, key: string): number | undefined {
  const found = metadata.get(key);
  if (found === undefined || typeof found.value === "number") return found?.value;
  throw wrongType(key, found, "a number");
}

/** The truth value at `key`, or undefined where there is none. Throws `corrupt_file` for a value of another type. */
export function ggufBoolean(metadata: Metadata, key: string): boolean | undefined {
  const found = metadata.get(key);
  if (found === undefined || found.type === "bool") return found?.value;
  throw wrongType(key, found, "true or false");
}

/** The text at `key`, or undefined where there is none. Throws `corrupt_file` for a value of another type. */
export function ggufString(metadata: Metadata, key: string): string | undefined {
  const found = metadata.get(key);
  if (found === undefined || found.type === "string") return found?.value;
  throw wrongType(key, found, "a string");
}

/** The list of texts at `key`, or undefined where there is none. Throws `corrupt_file` for a value of another type. */
export function ggufStrings(metadata: Metadata, key: string): readonly string[] | undefined {
  const found = metadata.get(key);
  if (found === undefined) return undefined;
  if (found.type === "array" && found.items === "string") return found.value;
  throw wrongType(key, found, "a list of strings");
}

/** The 32-bit whole numbers at `key`, or undefined where there are none. */
export function ggufIntegers(
  metadata: Metadata,
  key: string,
): Int32Array | Uint32Array | undefined {
  const found = metadata.get(key);
  if (found === undefined) return undefined;
  if (found.type === "array" && (found.items === "int32" || found.items === "uint32"))
    return found.value;
  throw wrongType(key, found, "a list of whole numbers");
}

/** The 32-bit numbers at `key`, or undefined where there are none. */
export function ggufNumbers(metadata: Metadata, key: string): Float32Array | undefined {
  const found = metadata.get(key);
  if (found === undefined) return undefined;
  if (found.type === "array" && found.items === "float32") return found.value;
  throw wrongType(key, found, "a list of numbers");
}

function wrongType(key: string, found: GgufValue, wanted: string): LabError {
  const type = found.type === "array" ? `a list of ${found.items}` : found.type;
  return new LabError(
    "corrupt_file",
    `the GGUF metadata "${key}" should be ${wanted}, not ${type}`,
  );
}
