import { LabError } from "../base/errors.ts";
import type { MergeTable } from "./merge-table.ts";

/** The cache of words is emptied when it holds this many; longer words are not kept. */
const CACHE_WORDS = 1 << 16;
const CACHE_WORD_BYTES = 48;

const POSITION = 2 ** 32;

/**
 * Byte pair encoding of single words (the pieces that `pretokenize.ts` cuts): starts from the word's
 * UTF-8 bytes and joins, again and again, the leftmost of the neighbours whose merge has the lowest rank.
 * Sennrich et al. 2016; on bytes, Radford et al. 2019. A heap keeps a word of n bytes at O(n log n), so that
 * a megabyte without a space does no harm.
 */
export class BytePairEncoder {
  readonly #merges: MergeTable;
  readonly #byteIds: Int32Array;
  readonly #cache = new Map<string, readonly number[]>();

  /** @param byteIds - id of the token of each single byte, -1 where the vocabulary has none; [256] */
  constructor(merges: MergeTable, byteIds: Int32Array) {
    this.#merges = merges;
    this.#byteIds = byteIds;
  }

  /** The ids of a word; `bad_input` when it holds a byte that the vocabulary lacks. */
  encode(word: string): readonly number[] {
    const cached = this.#cache.get(word);
    if (cached !== undefined) return cached;

    const bytes = Buffer.from(word, "utf8"); // a lone surrogate becomes U+FFFD
    const ids = mergeAll(
      Int32Array.from(bytes, (byte) => this.#byteId(byte)),
      this.#merges,
    );
    if (bytes.length <= CACHE_WORD_BYTES) {
      if (this.#cache.size === CACHE_WORDS) this.#cache.clear();
      // The key is a new string: a slice of a long text would keep all of it in memory.
      this.#cache.set(bytes.toString("utf8"), ids);
    }
    return ids;
  }

  #byteId(byte: number): number {
    const id = this.#byteIds[byte]!;
    if (id >= 0) return id;
    throw new LabError(
      "bad_input",
      `the tokenizer has no token for the byte 0x${byte.toString(16).toUpperCase().padStart(2, "0")}`,
      { hint: "Its vocabulary was made without the full byte alphabet; leave such text out." },
    );
  }
}

/** Merges a word's tokens until no neighbours merge; works in `ids`. */
export function mergeAll(ids: Int32Array, merges: MergeTable): number[] {
  const length = ids.length;
  const next = new Int32Array(length);
  const previous = new Int32Array(length);
  /** Rank of the merge of the token at a position with the one that follows; -1: none. */
  const ranks = new Int32Array(length).fill(-1);
  /** rank · 2^32 + position of the left token; entries whose pair is gone are skipped when they come up. */
  const heap: number[] = [];

  const rankPair = (position: number): void => {
    const after = next[position]!;
    const rank = after < length ? merges.rank(ids[position]!, ids[after]!) : -1;
    ranks[position] = rank;
    if (rank >= 0) push(heap, rank * POSITION + position);
  };

  for (let i = 0; i < length; i++) {
    next[i] = i + 1;
    previous[i] = i - 1;
    rankPair(i);
  }
  while (heap.length > 0) {
    const lowest = pop(heap);
    const rank = Math.floor(lowest / POSITION);
    const left = lowest % POSITION;
    if (ranks[left] !== rank) continue;

    const right = next[left]!;
    const after = next[right]!;
    ids[left] = merges.joinedId(rank);
    ranks[right] = -1;
    next[left] = after;
    if (after < length) previous[after] = left;
    rankPair(left);
    if (left > 0) rankPair(previous[left]!);
  }

  const merged: number[] = [];
  for (let i = 0; i < length; i = next[i]!) merged.push(ids[i]!);
  return merged;
}

/** Puts a number on a binary heap with the smallest on top. */
function push(heap: number[], value: number): void {
  let hole = heap.length;
  heap.push(value);
  while (hole > 0) {
    const parent = (hole - 1) >> 1;
    if (heap[parent]! <= value) break;
    heap[hole] = heap[parent]!;
    hole = parent;
  }
  heap[hole] = value;
}

/** Takes the smallest number off a heap that is not empty. */
function pop(heap: number[]): number {
  const top = heap[0]!;
  const value = heap.pop()!;
  if (heap.length === 0) return top;
  let hole = 0;
  for (;;) {
    let child = 2 * hole + 1;
    if (child >= heap.length) break;
    if (child + 1 < heap.length && heap[child + 1]! < heap[child]!) child++;
    if (heap[child]! >= value) break;
    heap[hole] = heap[child]!;
    hole = child;
  }
  heap[hole] = value;
  return top;
}
