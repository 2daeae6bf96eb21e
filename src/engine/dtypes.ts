/**
 * The element types of ggml: name, number in files and in the C API, and how many bytes a row takes.
 * Quantised types pack `blockSize` values into `blockBytes` bytes; a row must be a whole number of blocks.
 */
import { LabError } from "../base/errors.ts";

interface DTypeInfo {
  /** Number in ggml's C API and in GGUF files. */
  id: number;
  /** Values in one block; 1 for plain types. */
  blockSize: number;
  /** Bytes of one block. */
  blockBytes: number;
}

const plain = (id: number, bytes: number): DTypeInfo => ({ id, blockSize: 1, blockBytes: bytes });
const packed = (id: number, blockSize: number, blockBytes: number): DTypeInfo => ({
  id,
  blockSize,
  blockBytes,
});

/** Every type of ggml 0.25; checked against the library when it is loaded. */
export const DTYPES = {
  f32: plain(0, 4),
  f16: plain(1, 2),
  bf16: plain(30, 2),
  f64: plain(28, 8),
  i8: plain(24, 1),
  i16: plain(25, 2),
  i32: plain(26, 4),
  i64: plain(27, 8),
  q4_0: packed(2, 32, 18),
  q4_1: packed(3, 32, 20),
  q5_0: packed(6, 32, 22),
  q5_1: packed(7, 32, 24),
  q8_0: packed(8, 32, 34),
  q8_1: packed(9, 32, 36),
  q2_k: packed(10, 256, 84),
  q3_k: packed(11, 256, 110),
  q4_k: packed(12, 256, 144),
  q5_k: packed(13, 256, 176),
  q6_k: packed(14, 256, 210),
  q8_k: packed(15, 256, 292),
  iq2_xxs: packed(16, 256, 66),
  iq2_xs: packed(17, 256, 74),
  iq3_xxs: packed(18, 256, 98),
  iq1_s: packed(19, 256, 50),
  iq4_nl: packed(20, 32, 18),
  iq3_s: packed(21, 256, 110),
  iq2_s: packed(22, 256, 82),
  iq4_xs: packed(23, 256, 136),
  iq1_m: packed(29, 256, 56),
  tq1_0: packed(34, 256, 54),
  tq2_0: packed(35, 256, 66),
  mxfp4: packed(39, 32, 17),
  nvfp4: packed(40, 64, 36),
  q1_0: packed(41, 128, 18),
  q2_0: packed(42, 64, 18),
} as const satisfies Record<string, DTypeInfo>;

export type DType = keyof typeof DTYPES;

const byId = new Map<number, DType>(
  (Object.keys(DTYPES) as DType[]).map((name) => [DTYPES[name].id, name]),
);

/** The type with ggml's number `id`, or undefined where this version knows none. */
export function dtypeFromId(id: number): DType | undefined {
  return byId.get(id);
}

/** Whether a row of this type is made of blocks of several values. */
export function isQuantized(dtype: DType): boolean {
  return DTYPES[dtype].blockSize > 1;
}

/** Bytes of one row of `length` values. Throws `bad_input` where the row is no whole number of blocks. */
export function rowBytes(dtype: DType, length: number): number {
  const { blockSize, blockBytes } = DTYPES[dtype];
  if (!Number.isInteger(length) || length < 0 || length % blockSize !== 0)
    throw new LabError(
      "bad_input",
      `a row of ${length} values does not divide into ${dtype} blocks of ${blockSize}`,
      { hint: `Choose a type whose block divides ${length}, such as q8_0 (32) or f16 (1).` },
    );
  return (length / blockSize) * blockBytes;
}

/** Bytes of a contiguous tensor of row-major `shape`, whose last axis is the row. */
export function tensorBytes(dtype: DType, shape: readonly number[]): number {
  const row = shape.at(-1) ?? 1;
  return shape.slice(0, -1).reduce((n, d) => n * d, rowBytes(dtype, row));
}
