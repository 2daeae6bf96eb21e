/**
 * The two circuits of a head (Elhage et al. 2021): QK = W_Q·W_Kᵀ says where it looks, OV = W_V·W_O what it moves. As factors
 * of rank H, in the convention x @ W: both are `[D, D]`. Rotation is left out: Phi turns the first `rotaryDims` of each head
 * by position, so that QK is exact at distance 0 and for the dims that are not turned.
 */
import { compositionScore, type FactoredMatrix } from "./linear/decompose.ts";
import { columnsOf, transpose } from "./linear/matrix.ts";
import type { BlockValues, LinearValues, WeightView } from "./weights.ts";

export interface HeadCircuits {
  layer: number;
  head: number;
  qk: FactoredMatrix;
  ov: FactoredMatrix;
}

/** Circuits of every head of a view, `[L][N]`. The folded view is the one in which they mean what is read and written. */
export async function headCircuits(weights: WeightView): Promise<HeadCircuits[][]> {
  const { layers, heads } = weights.config;
  const found: HeadCircuits[][] = [];
  for (let layer = 0; layer < layers; layer++) {
    const block = await weights.block(layer);
    found.push(Array.from({ length: heads }, (_, head) => circuitsOf(block, weights, layer, head)));
  }
  return found;
}

function circuitsOf(
  block: BlockValues,
  { config: { width, headSize } }: WeightView,
  layer: number,
  head: number,
): HeadCircuits {
  const readBy = ({ weight }: LinearValues) =>
    transpose({
      rows: headSize,
      columns: width,
      data: Float64Array.from(
        weight.subarray(head * headSize * width, (head + 1) * headSize * width),
      ),
    }); // [D, H]
  const written = columnsOf(block.dense.weight, {
    rows: width,
    columns: width,
    start: head * headSize,
    length: headSize,
  }); // [D, H]
  return {
    layer,
    head,
    qk: { left: readBy(block.q), right: transpose(readBy(block.k)) },
    ov: { left: readBy(block.v), right: transpose(written) },
  };
}

export const COMPOSITIONS = ["Q", "K", "V"] as const;

export type Composition = (typeof COMPOSITIONS)[number];

/**
 * How much a later head reads of what an earlier one writes, through its queries, keys or values: ‖OV·QK‖/(‖OV‖·‖QK‖),
 * with QKᵀ for keys and OV for values. Row-major `[L, N, L, N]`, earlier head first; 0 unless its layer is below.
 */
export function compositionScores(
  circuits: readonly (readonly HeadCircuits[])[],
  mode: Composition,
): Float64Array {
  const all = circuits.flat();
  const read = ({ qk, ov }: HeadCircuits): FactoredMatrix =>
    mode === "V"
      ? ov
      : mode === "Q"
        ? qk
        : { left: transpose(qk.right), right: transpose(qk.left) };
  return Float64Array.from({ length: all.length ** 2 }, (_, i) => {
    const earlier = all[Math.floor(i / all.length)] as HeadCircuits;
    const later = all[i % all.length] as HeadCircuits;
    return earlier.layer < later.layer ? compositionScore(earlier.ov, read(later)) : 0;
  });
}
