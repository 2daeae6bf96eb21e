/**
 * How quantised weights lie in memory: in files, block after block along each row; for our kernels, the same bytes with
 * sixteen rows interleaved, so that one vector holds the same four bytes of sixteen rows.
 *
 * A packed block is one vector of 64 bytes for each of `words` (lane r: the 32-bit word at that byte of row r's block), then
 * 32 bytes for each of `halves` (16-bit values). Nothing is decoded: it takes as many bytes as in the file. Block layouts:
 * ggml-common.h.
 */
export interface WeightFormat {
  /** Values in a block. */
  blockSize: number;
  blockBytes: number;
  /** Where the 32-bit words begin, and how many they are: a multiple of four. */
  wordsAt: number;
  words: number;
  /** Byte offsets of 16-bit values. */
  halves: readonly number[];
  /** Every packed word is combined with this by exclusive or: signed bytes become unsigned, 128 larger. */
  flip: number;
}

export const WEIGHT_FORMATS = {
  // d, 32 signed bytes
  q8_0: { blockSize: 32, blockBytes: 34, wordsAt: 2, words: 8, halves: [0], flip: 0x80808080 },
  // d, 16 bytes: value j in the low, j + 16 in the high half of byte j
  q4_0: { blockSize: 32, blockBytes: 18, wordsAt: 2, words: 4, halves: [0], flip: 0 },
  // d and dmin, 12 bytes of scales, 128 bytes: blocks 2p and 2p + 1 in the halves of 32 bytes each
  q4_k: { blockSize: 256, blockBytes: 144, wordsAt: 0, words: 36, halves: [], flip: 0 },
  // d and dmin, 12 bytes of scales, 32 bytes of fifth bits (bit s: block s), 128 bytes as in q4_k
  q5_k: { blockSize: 256, blockBytes: 176, wordsAt: 0, words: 44, halves: [], flip: 0 },
  // 128 bytes of low halves, 64 bytes of upper pairs of bits, 16 signed scales, d
  q6_k: { blockSize: 256, blockBytes: 210, wordsAt: 0, words: 52, halves: [208], flip: 0 },
} as const satisfies Record<string, WeightFormat>;

export type WeightType = keyof typeof WEIGHT_FORMATS;

/** Rows that are interleaved. */
export const GROUP_ROWS = 16;

/** Whether a matrix `[M, K]` of this type can be packed. */
export function isPackable(dtype: string, [m, k]: readonly [number, number]): dtype is WeightType {
  if (!(dtype in WEIGHT_FORMATS) || m % GROUP_ROWS !== 0) return false;
  const { blockSize, blockBytes } = WEIGHT_FORMATS[dtype as WeightType];
  return k % blockSize === 0 && (k / blockSize) * blockBytes * GROUP_ROWS < 2 ** 31;
}
