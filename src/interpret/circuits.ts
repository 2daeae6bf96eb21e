/**
 * The two circuits of a head (Elhage et al. 2021): QK = W_Q·W_Kᵀ says where it looks, OV = W_V·W_O what it moves. As factors
 * of rank H, in the convention x @ W: both are `[D, D]`. Rotation is left out: Phi turns the first `rotaryDims` of each head
 * by position, so that QK is exact at distance 0 and for the dims that are not turned.
 */
import type { HeadAt } from "./ablation.ts";
import {
  compositionScore,
  measured,
  type FactoredMatrix,
  type MeasuredMatrix,
} from "./linear/decompose.ts";
import { columnsOf, transpose } from "./linear/matrix.ts";
import type { BlockValues, LinearValues, WeightView } from "./weights.ts";

export interface HeadCircuits {
  layer: number;
  head: number;
  qk: FactoredMatrix;
  ov: FactoredMatrix;
}

/**
 * Circuits of every head of a view, or of some. The folded view is the one in which they mean what is read and written.
 * Each takes 4·D·H numbers of 8 bytes.
 */
export async function headCircuits(
  weights: WeightView,
  { heads }: { heads?: readonly HeadAt[] | undefined } = {},
): Promise<HeadCircuits[]> {
  const { config } = weights;
  const found: HeadCircuits[] = [];
  for (let layer = 0; layer < config.layers; layer++) {
    const wanted = Array.from({ length: config.heads }, (_, head) => head).filter(
      (head) => heads?.some((at) => at.layer === layer && at.head === head) ?? true,
    );
    if (wanted.length === 0) continue;
    const block = await weights.block(layer);
    found.push(...wanted.map((head) => circuitsOf(block, weights, layer, head)));
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
 * with QKᵀ for keys and OV for values. Row-major, earlier head first, `[L·N, L·N]` for all heads; 0 unless its layer is below.
 */
export function compositionScores(
  circuits: readonly HeadCircuits[],
  mode: Composition,
): Float64Array {
  const writes = circuits.map(({ ov }) => measured(ov));
  const reads = circuits.map(({ qk, ov }) =>
    measured(
      mode === "V"
        ? ov
        : mode === "Q"
          ? qk
          : { left: transpose(qk.right), right: transpose(qk.left) },
    ),
  );
  const count = circuits.length;
  return Float64Array.from({ length: count ** 2 }, (_, i) => {
    const [from, to] = [Math.floor(i / count), i % count];
    const [earlier, later] = [circuits[from] as HeadCircuits, circuits[to] as HeadCircuits];
    return earlier.layer < later.layer
      ? compositionScore(writes[from] as MeasuredMatrix, reads[to] as MeasuredMatrix)
      : 0;
  });
}
