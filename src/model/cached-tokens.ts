/** Tokens that a forward pass reads through a cache: which cells they fill, and which they see. */
import type { KvCache } from "./kv-cache.ts";

/** Tokens that continue one cache. */
export interface CachedTokens {
  cache: KvCache;
  ids: readonly number[];
  /** Position of each token in its text, from 0. */
  positions: readonly number[];
  /** Where the keys and values of each token go. */
  cells: readonly number[];
  /** Whether token `row` of this list may look at `cell`. */
  sees: (row: number, cell: number) => boolean;
  /** Tokens of this list whose next-token logits are wanted. */
  logits: readonly number[];
}

/** Cells are looked at in multiples of this, so that neighbouring steps share one graph. */
const SPAN_STEP = 64;
/** Cells that a step looks at. */
export function spanOf({ cells, cache }: CachedTokens): number {
  const needed = Math.max(...cells) + 1;
  return Math.min(cache.capacity, Math.ceil(needed / SPAN_STEP) * SPAN_STEP);
}

const cacheNumbers = new WeakMap<KvCache, number>();
let nextCacheNumber = 0;

/** A number for each cache, for keys. */
export function cacheNumber(cache: KvCache): number {
  let number = cacheNumbers.get(cache);
  if (number === undefined) cacheNumbers.set(cache, (number = nextCacheNumber++));
  return number;
}

/** Whether the logits of every token are wanted, in order. */
export function wantsAll(batch: readonly CachedTokens[]): boolean {
  return batch.every(
    ({ ids, logits }) => logits.length === ids.length && logits.every((row, i) => row === i),
  );
}
