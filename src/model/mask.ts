/** Masks of attention. */
import type { Tensor } from "../tensor/tensor.ts";

const HALF_NEGATIVE_INFINITY = 0xfc00;

/** 0 where a row may look, −∞ where not, for an f16 or f32 mask `[…, T, S]`. */
export function maskValues(
  mask: Tensor,
  sees: (row: number, cell: number) => boolean,
): Uint16Array | Float32Array {
  const [rows, span] = [mask.dim(-2), mask.dim(-1)];
  const [values, hidden] =
    mask.dtype === "f16"
      ? [new Uint16Array(rows * span), HALF_NEGATIVE_INFINITY]
      : [new Float32Array(rows * span), -Infinity];
  for (let row = 0; row < rows; row++)
    for (let cell = 0; cell < span; cell++)
      if (!sees(row, cell)) values[row * span + cell] = hidden;
  return values;
}
