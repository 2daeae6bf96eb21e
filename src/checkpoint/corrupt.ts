/** The error for files that do not hold what they claim. */
import { LabError } from "../base/errors.ts";

/** Headers larger than this are refused: it is the safetensors limit, and far beyond any real GGUF vocabulary. */
export const MAX_HEADER_BYTES = 100_000_000;

/** A `corrupt_file` error. `finding` is a phrase such as `the header ends inside a key`. */
export function corrupt(file: string, finding: string): LabError {
  return new LabError("corrupt_file", `${file}: ${finding}`, {
    hint: "The file is damaged or incomplete: copy or download it again.",
  });
}

/**
 * How many values `shape` has, or undefined where a dimension is no size or the product (times the 8 bytes of the
 * widest type) cannot be counted exactly.
 */
export function countValues(shape: readonly number[]): number | undefined {
  let count = 1;
  for (const size of shape) {
    if (!Number.isSafeInteger(size) || size < 0) return undefined;
    count *= size;
    if (count * 8 > Number.MAX_SAFE_INTEGER) return undefined;
  }
  return count;
}
