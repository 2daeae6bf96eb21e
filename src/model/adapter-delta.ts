/** What an adapter makes of the rows of a weight: W + s·B·A, and in DoRA the lengths of these rows. */
import { invariant } from "../base/errors.ts";
import type { LowRankSource, LowRankValues } from "./adapter-source.ts";
import type { ParameterSource } from "./parameters.ts";
import { recode, type RowChange } from "./recode.ts";

/** Rows of W, from `firstRow` on, become those of W + s·B·A, or of m/‖W + s·B·A‖ ⊙ (W + s·B·A) in DoRA. */
export function mergedRows(
  { module, rank, scale }: LowRankSource,
  { a, b, magnitude }: LowRankValues,
): RowChange {
  const { inputs } = module;
  return (rows, firstRow) => {
    for (let i = 0; i < rows.length / inputs; i++) {
      const row = rows.subarray(i * inputs, (i + 1) * inputs);
      addProduct(row, b.subarray((firstRow + i) * rank, (firstRow + i + 1) * rank), { a, scale });
      if (magnitude === undefined) continue;
      const gain = (magnitude[firstRow + i] as number) / lengthOf(row);
      for (let j = 0; j < row.length; j++) (row[j] as number) *= gain;
    }
  };
}

/** `row += scale · b·A`, four rows of A at a time: `row` is then read and written a quarter as often. */
function addProduct(
  row: Float32Array,
  b: Float32Array,
  { a, scale }: { a: Float32Array; scale: number },
): void {
  const K = row.length;
  for (let k = 0; k < b.length; k += 4) {
    const [b0, b1, b2, b3] = [0, 1, 2, 3].map((i) => scale * (b[k + i] ?? 0)) as Four;
    // Past the last row of A its factor is 0, and any row serves.
    const [a0, a1, a2, a3] = [0, 1, 2, 3].map((i) => Math.min(k + i, b.length - 1) * K) as Four;
    for (let j = 0; j < K; j++)
      row[j]! += b0 * a[a0 + j]! + b1 * a[a1 + j]! + b2 * a[a2 + j]! + b3 * a[a3 + j]!;
  }
}

type Four = [number, number, number, number];

function lengthOf(row: Float32Array): number {
  let sum = 0;
  for (const value of row) sum += value * value;
  return Math.sqrt(sum);
}

/**
 * What DoRA does to the outputs of a layer (`LowRank.dora`): gain m/‖W + s·B·A‖ and shift b·(1 − gain), from the layer's
 * weight W and bias b on disk.
 */
export async function doraOf(
  source: LowRankSource,
  values: LowRankValues,
  base: { weight: ParameterSource; bias: ParameterSource },
): Promise<{ gain: Float32Array; shift: Float32Array }> {
  const { magnitude, ...plain } = values;
  invariant(magnitude !== undefined, "an adapter with DoRA has magnitudes");
  const { inputs, outputs } = source.module;
  const gain = new Float32Array(outputs);
  let row = 0;
  for await (const rows of valuesOf(base.weight, mergedRows(source, plain)))
    for (let at = 0; at < rows.length; at += inputs, row++)
      gain[row] = (magnitude[row] as number) / lengthOf(rows.subarray(at, at + inputs));
  const shift = new Float32Array(outputs);
  let i = 0;
  for await (const biases of valuesOf(base.bias))
    for (const bias of biases) {
      shift[i] = bias * (1 - (gain[i] as number));
      i++;
    }
  return { gain, shift };
}

/** The values of a parameter as f32, a chunk of rows at a time. */
async function* valuesOf(
  parameter: ParameterSource,
  change?: RowChange,
): AsyncGenerator<Float32Array, void, undefined> {
  for await (const bytes of recode(parameter, "f32", { change }))
    yield new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
}
