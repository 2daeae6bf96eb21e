/** Rows of numbers to ggml's element types and back, by ggml's own routines. */
import koffi from "koffi";
import { LabError } from "../base/errors.ts";
import type { Bytes, GgmlApi } from "./api.ts";
import { DTYPES, rowBytes, type DType } from "./dtypes.ts";
import { library } from "./library.ts";

/** `to_float` in `struct ggml_type_traits`: name, block, interleave, size, quantised flag, then the function. */
const TO_FLOAT_OFFSET = 40;

type RowFunction = (from: Bytes, to: Bytes, count: number) => void;

/**
 * Encodes rows of values as `dtype`, off the main thread.
 *
 * @param values - row-major values; a whole number of rows
 * @throws LabError `unsupported` for types that need an importance matrix, `bad_input` for rows that do not divide into blocks
 */
export async function quantizeRows(
  dtype: DType,
  values: Float32Array,
  rowLength: number,
): Promise<Uint8Array> {
  const { api } = library();
  const rows = rowCount(values.length, rowLength);
  const out = new Uint8Array(rows * rowBytes(dtype, rowLength));
  if (out.length === 0) return out;
  switch (dtype) {
    case "f32":
      out.set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
      return out;
    case "f16":
      api.ggml_fp32_to_fp16_row(values, out, values.length);
      return out;
    case "bf16":
      api.ggml_fp32_to_bf16_row(values, out, values.length);
      return out;
    default:
      return quantizeBlocks(api, dtype, values, { rows, rowLength, out });
  }
}

/** Decodes `count` values of any floating or quantised type. */
export function dequantizeRows(dtype: DType, bytes: Uint8Array, count: number): Float32Array {
  const { api } = library();
  if (bytes.length < rowBytes(dtype, count))
    throw new LabError(
      "bad_input",
      `${bytes.length} bytes are too few for ${count} ${dtype} values`,
    );
  const out = new Float32Array(count);
  if (count === 0) return out;
  switch (dtype) {
    case "f32":
      new Uint8Array(out.buffer).set(bytes.subarray(0, 4 * count));
      return out;
    case "f64":
      out.set(new Float64Array(Uint8Array.from(bytes.subarray(0, 8 * count)).buffer));
      return out;
    case "f16":
      api.ggml_fp16_to_fp32_row(bytes, out, count);
      return out;
    case "bf16":
      api.ggml_bf16_to_fp32_row(bytes, out, count);
      return out;
    default:
      toFloat(api, dtype)(bytes, out, count);
      return out;
  }
}

function rowCount(length: number, rowLength: number): number {
  const rows = rowLength === 0 ? 0 : length / rowLength;
  if (!Number.isInteger(rows))
    throw new LabError("bad_input", `${length} values are no whole number of rows of ${rowLength}`);
  return rows;
}

function quantizeBlocks(
  api: GgmlApi,
  dtype: DType,
  values: Float32Array,
  { rows, rowLength, out }: { rows: number; rowLength: number; out: Uint8Array },
): Promise<Uint8Array> {
  const { id } = DTYPES[dtype];
  if (DTYPES[dtype].blockSize === 1 || dtype === "q8_1" || dtype === "q8_k")
    throw new LabError("unsupported", `weights cannot be stored as ${dtype}`);
  if (api.ggml_quantize_requires_imatrix(id))
    throw new LabError(
      "unsupported",
      `${dtype} needs an importance matrix, which philab does not compute`,
      {
        hint: "Choose q4_k, q5_k, q6_k, q4_0 or q8_0.",
      },
    );
  return new Promise((resolve, reject) => {
    api.ggml_quantize_chunk.async(id, values, out, 0, rows, rowLength, null, (error, written) => {
      if (error !== null) reject(error);
      else if (written !== out.length)
        reject(
          new LabError(
            "internal",
            `internal: ${dtype} rows took ${written} bytes, not ${out.length}`,
          ),
        );
      else resolve(out);
    });
  });
}

const toFloatCache = new Map<DType, RowFunction>();

function toFloat(api: GgmlApi, dtype: DType): RowFunction {
  let found = toFloatCache.get(dtype);
  if (found === undefined) {
    const traits = api.ggml_get_type_traits(DTYPES[dtype].id);
    const address = koffi.decode(traits, TO_FLOAT_OFFSET, "void *") as bigint | null;
    if (address === null) throw new LabError("unsupported", `${dtype} values cannot be decoded`);
    found = koffi.decode(
      address,
      koffi.proto("void", ["const void *", "void *", "int64_t"]),
    ) as RowFunction;
    toFloatCache.set(dtype, found);
  }
  return found;
}
