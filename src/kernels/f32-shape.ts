/** What an f32 product is given: sizes, strides and arrangements. */
import type { Assembler } from "./assembler.ts";
import type { Vector } from "./operands.ts";
import type { WeightType } from "./weight-formats.ts";

/** Rows of a tile. */
export const TILE_ROWS = 6;

/** Sizes and byte strides. The number of rows is read from the result when the kernel runs. */
export interface ProductShape {
  /** K */
  inner: number;
  /** M */
  columns: number;
  a: {
    rowStride: number;
    innerStride: number;
    batchStrides: readonly [number, number];
  };
  /** One of the first two is the size of a value. */
  b: {
    innerStride: number;
    columnStride: number;
    batchStrides: readonly [number, number];
    /** Values are f16 (AVX-512 only). */
    half?: boolean;
    /** Packed quantised weights `[K, M]` of this type, whose strides are those of its rows and, not always a whole number, its values. */
    packed?: WeightType;
  };
  /** Products that are computed at once. */
  batch: readonly [number, number];
  /** Each matrix of b serves that many neighbouring ones of a. */
  shared: readonly [number, number];
  /** Pieces into which the rows are cut, so that all threads have work. */
  rowPieces: number;
  /**
   * Values of a and b are pairs of bf16 numbers, neighbours on K, whose products are added (BF16 instructions): `inner` counts
   * pairs. Numbers below 2⁻¹²⁶ count as 0.
   */
  pairs?: boolean;
  /** The result is `[outer batch, N, inner batch, M]`, each row of all inner products side by side, not `[…, N, M]`. */
  interleaved?: boolean;
  /**
   * A tile of rows stops where an attention mask hides the rest (`mask-limits.ts`), in K or in columns of c, of which the others are left
   * as they are. Its limits are the operation's last input; rows are in one piece and a is not transposed.
   */
  limited?: "inner" | "columns";
}

export function elementBytes({ b }: ProductShape): number {
  return b.half === true ? 2 : 4;
}

/** Bytes from row to row of c. */
export function resultRowStride({ columns, batch, interleaved }: ProductShape): number {
  return columns * 4 * (interleaved === true ? batch[1] : 1);
}

/** sum += a · b of each lane, or of both numbers in it. */
export function multiplyAdd(
  { v }: Assembler,
  { pairs }: ProductShape,
  [sum, x, y]: readonly [sum: Vector, x: Vector, y: Vector],
): void {
  if (pairs === true) v.vdpbf16ps(sum, x, y);
  else v.vfmadd231ps(sum, x, y);
}
