/** Which tokens of a batch see which: the mask of `attendWithin`. */
import type { Batch } from "./batches.ts";

const HIDDEN = -Infinity;
/** −∞ in 16 bits. */
const HIDDEN_F16 = 0xfc00;

/**
 * 0 where a query sees a key, −∞ elsewhere: each token sees itself and those before it in its own sequence. Padding sees
 * padding, so that no row of the softmax is empty.
 *
 * @param options.perRow - a mask for each row, for rows that hold several sequences (`BatchStream.masksRows`); otherwise
 *   one for all rows, which hides what comes later and nothing else
 * @param options.dtype - what the attention wants: explicit f32, fused f16
 * @returns `[B or 1, 1, T, T]`
 */
export function attentionMask(
  { sequences, length, documents }: Pick<Batch, "sequences" | "length" | "documents">,
  { perRow, dtype }: { perRow: boolean; dtype: "f32" | "f16" },
): Float32Array | Uint16Array {
  const rows = perRow ? sequences : 1;
  const size = rows * length * length;
  const mask =
    dtype === "f32" ? new Float32Array(size).fill(HIDDEN) : new Uint16Array(size).fill(HIDDEN_F16);
  for (let row = 0; row < rows; row++)
    for (let query = 0; query < length; query++) {
      const own = documents[row * length + query];
      const at = (row * length + query) * length;
      for (let key = 0; key <= query; key++)
        if (!perRow || documents[row * length + key] === own) mask[at + key] = 0;
    }
  return mask;
}
