/**
 * Reader for safetensors: eight bytes of header length, a JSON header, then the tensors back to back.
 * Every field is checked against the file before anything is allocated from it.
 * Format: https://github.com/huggingface/safetensors#format
 */
import { open } from "node:fs/promises";
import { resolve } from "node:path";
import { LabError } from "../base/errors.ts";
import { tensorBytes, type DType } from "../engine/dtypes.ts";
import { corrupt, countValues, MAX_HEADER_BYTES } from "./corrupt.ts";
import { parseStrictJson, type JsonLimits } from "./json.ts";
import type { TensorEntry } from "./types.ts";

const LENGTH_BYTES = 8;

/** Root object, tensor, its lists. A million tensors have three containers each. */
const LIMITS: JsonLimits = { maxDepth: 3, maxContainers: 3_000_000 };

/** The format's names of the element types that ggml has. */
export const SAFETENSORS_DTYPES: Readonly<Partial<Record<DType, string>>> = {
  f64: "F64",
  f32: "F32",
  f16: "F16",
  bf16: "BF16",
  i64: "I64",
  i32: "I32",
  i16: "I16",
  i8: "I8",
};

const DTYPE_OF = new Map(
  Object.entries(SAFETENSORS_DTYPES).map(([dtype, name]) => [name, dtype as DType]),
);

/** Bits of one value in the format's other types, whose tensors are listed but not read. */
const OTHER_BITS: Readonly<Record<string, number>> = {
  BOOL: 8,
  U8: 8,
  U16: 16,
  U32: 32,
  U64: 64,
  C64: 64,
  F4: 4,
  F6_E2M3: 6,
  F6_E3M2: 6,
  F8_E5M2: 8,
  F8_E4M3: 8,
  F8_E8M0: 8,
  F8_E4M3FNUZ: 8,
  F8_E5M2FNUZ: 8,
};

/** One safetensors file. */
export interface SafetensorsFile {
  readonly tensors: ReadonlyMap<string, TensorEntry>;
  readonly otherTensors: ReadonlyMap<string, string>;
  readonly metadata: ReadonlyMap<string, string>;
}

/**
 * Reads and checks the header of `path`.
 *
 * @throws LabError `corrupt_file` for anything that the format does not allow, `unsupported` for an unknown element type
 */
export async function openSafetensors(path: string): Promise<SafetensorsFile> {
  const file = resolve(path);
  const handle = await open(file, "r").catch((error: unknown) => {
    throw LabError.from(error);
  });
  try {
    const { size } = await handle.stat();
    const read = async (length: number, position: number) => {
      const bytes = Buffer.alloc(length);
      const { bytesRead } = await handle.read(bytes, 0, length, position);
      if (bytesRead < length) throw corrupt(file, "the file ends inside the header");
      return bytes;
    };
    if (size < LENGTH_BYTES)
      throw corrupt(file, `${size} bytes are too few for a safetensors file`);
    const headerBytes = Number((await read(LENGTH_BYTES, 0)).readBigUInt64LE());
    if (headerBytes > size - LENGTH_BYTES || headerBytes > MAX_HEADER_BYTES)
      throw corrupt(
        file,
        `the header claims ${headerBytes} bytes; the file has ${size} and ${MAX_HEADER_BYTES} are allowed`,
      );
    const dataStart = LENGTH_BYTES + headerBytes;
    const header = parseHeader(file, await read(headerBytes, LENGTH_BYTES));
    return readHeader(header, { file, dataStart, dataBytes: size - dataStart });
  } finally {
    await handle.close();
  }
}

interface DataSection {
  file: string;
  dataStart: number;
  dataBytes: number;
}

function parseHeader(file: string, bytes: Uint8Array): Record<string, unknown> {
  let header: unknown;
  try {
    header = parseStrictJson(new TextDecoder("utf-8", { fatal: true }).decode(bytes), LIMITS);
  } catch (error) {
    throw corrupt(file, `the header is no valid JSON: ${(error as Error).message}`);
  }
  if (!isRecord(header)) throw corrupt(file, "the header is no JSON object");
  return header;
}

function readHeader(header: Record<string, unknown>, section: DataSection): SafetensorsFile {
  const metadata = new Map<string, string>();
  const tensors = new Map<string, TensorEntry>();
  const otherTensors = new Map<string, string>();
  const extents: Extent[] = [];
  for (const [name, value] of Object.entries(header)) {
    if (name === "__metadata__") {
      readMetadata(section.file, value, metadata);
      continue;
    }
    const { typeName, dtype, shape, begin, end } = readTensorInfo(section, name, value);
    extents.push({ name, begin, end });
    if (dtype === undefined) otherTensors.set(name, typeName);
    else
      tensors.set(name, {
        name,
        dtype,
        shape,
        file: section.file,
        offset: section.dataStart + begin,
        sizeBytes: end - begin,
      });
  }
  checkCover(section, extents);
  return { tensors, otherTensors, metadata };
}

function readMetadata(file: string, value: unknown, into: Map<string, string>): void {
  if (!isRecord(value)) throw corrupt(file, "__metadata__ is no object");
  for (const [key, text] of Object.entries(value)) {
    if (typeof text !== "string") throw corrupt(file, `__metadata__ "${key}" is no string`);
    into.set(key, text);
  }
}

function readTensorInfo({ file, dataBytes }: DataSection, name: string, value: unknown) {
  if (!isRecord(value)) throw corrupt(file, `tensor "${name}" is no object`);
  const { dtype: typeName, shape, data_offsets: offsets } = value;
  if (typeof typeName !== "string") throw corrupt(file, `tensor "${name}" has no dtype`);
  if (!isNumberList(shape)) throw corrupt(file, `tensor "${name}" has no shape`);
  if (!isNumberList(offsets) || offsets.length !== 2)
    throw corrupt(file, `tensor "${name}" has no pair of data_offsets`);
  const values = countValues(shape);
  if (values === undefined)
    throw corrupt(file, `tensor "${name}" has the impossible shape [${shape.join(", ")}]`);
  const [begin = -1, end = -1] = offsets;
  if (!isOffset(begin) || !isOffset(end) || begin > end || end > dataBytes)
    throw corrupt(
      file,
      `tensor "${name}" lies at ${begin}…${end}, outside the ${dataBytes} bytes of data`,
    );
  const dtype = DTYPE_OF.get(typeName);
  const expected =
    dtype === undefined ? otherBytes(file, name, typeName, values) : tensorBytes(dtype, shape);
  if (end - begin !== expected)
    throw corrupt(
      file,
      `tensor "${name}" (${typeName} [${shape.join(", ")}]) takes ${expected} bytes, not ${end - begin}`,
    );
  return { typeName, dtype, shape, begin, end };
}

function otherBytes(file: string, name: string, typeName: string, values: number): number {
  const bits = Object.hasOwn(OTHER_BITS, typeName) ? OTHER_BITS[typeName] : undefined;
  if (bits === undefined)
    throw new LabError(
      "unsupported",
      `${file}: tensor "${name}" has the unknown element type ${JSON.stringify(typeName)}`,
      { hint: "Weights are read as F32, F16 or BF16." },
    );
  return (values * bits) / 8;
}

interface Extent {
  name: string;
  begin: number;
  end: number;
}

/** The format wants the data covered from end to end: no gaps, no overlaps, nothing left over. */
function checkCover({ file, dataBytes }: DataSection, extents: Extent[]): void {
  let covered = 0;
  for (const { name, begin, end } of extents.sort((a, b) => a.begin - b.begin || a.end - b.end)) {
    if (begin !== covered)
      throw corrupt(
        file,
        begin < covered
          ? `tensor "${name}" overlaps the one before it`
          : `${begin - covered} bytes before tensor "${name}" belong to no tensor`,
      );
    covered = end;
  }
  if (covered !== dataBytes)
    throw corrupt(file, `the tensors end at ${covered} of ${dataBytes} bytes of data`);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isNumberList(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((item) => typeof item === "number");
}

function isOffset(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}
