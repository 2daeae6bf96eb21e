/**
 * Attention between the rows of a batch, in three arrangements: sequences that stand for themselves (`attendWithin`),
 * sequences that continue a cache (`attendThroughCache`), and variants of one text (`attendToText`).
 *
 * R rows, B batch, T query positions, S key positions, N heads, H head size.
 */
import { isQuantized } from "../engine/dtypes.ts";
import {
  add,
  cast,
  concat,
  contiguous,
  flashAttention,
  matmulTransposed,
  permute,
  reshape,
  scale,
  slice,
  softmax,
  takeRows,
} from "../tensor/ops/index.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { Tap } from "./hook-points.ts";
import type { KvCache } from "./kv-cache.ts";

/** Queries, keys and values of all rows, `[R, N, H]` each, after rotation; keys and values may have fewer heads. */
export interface Heads {
  q: Tensor;
  k: Tensor;
  v: Tensor;
}

/** What each head reads, `[R, N, H]`. */
export type Attend = (heads: Heads, at: { layer: number; tap: Tap }) => Tensor;

interface Scheme {
  /** Fused attention is faster and never stores scores or pattern. */
  fused: boolean;
}

/**
 * `batch` sequences of equal padded length; each position sees what the mask allows.
 *
 * @param mask - f32 or f16 `[B or 1, 1, T, T]`, 0 or −∞
 */
export function attendWithin(
  { batch, mask }: { batch: number; mask: Tensor },
  { fused }: Scheme,
): Attend {
  return ({ q, k, v }, { layer, tap }) => {
    const [rows, heads, headSize] = [q.dim(0), q.dim(1), q.dim(2)];
    const byHead = (x: Tensor): Tensor =>
      permute(reshape(x, [batch, rows / batch, x.dim(1), headSize]), [0, 2, 1, 3]); // [B, N, T, H]
    const useFused = fused && !needsScores(layer, tap);
    const query = useFused ? scaledQueries(q, headSize) : q;
    const all = { q: byHead(query), k: byHead(k), v: byHead(v), mask };
    const read = useFused ? fusedAttention(all) : explicitAttention(all, { layer, tap });
    return reshape(read, [rows, heads, headSize]); // [B, T, N, H] → [R, N, H]
  };
}

/** Some consecutive rows that continue one cache. */
export interface Segment {
  cache: KvCache;
  start: number;
  rows: number;
  /** Where their keys and values go: i64 `[rows]`, cells of the cache. */
  cells: Tensor;
  /** How many cells are looked at. */
  span: number;
  /** f16 or f32 `[1, 1, rows, span]`, 0 or −∞. */
  mask: Tensor;
}

/** Every segment writes its keys and values to its cache, then reads the first `span` cells of it. */
export function attendThroughCache(segments: readonly Segment[], { fused }: Scheme): Attend {
  return ({ q, k, v }, { layer, tap }) => {
    const useFused = fused && !needsScores(layer, tap);
    const queries = useFused ? scaledQueries(q, q.dim(2)) : q;
    const read = segments.map(({ cache, start, rows, cells, span, mask }, sequence) => {
      const own = (x: Tensor): Tensor => slice(x, { axis: 0, start, length: rows }); // [T, N, H]
      const query = cache.pad(own(queries));
      cache.store(layer, { k: own(k), v: own(v), cells });
      const heads = { ...cache.view(layer, span, query), q: byHead(query), mask };
      const z = useFused
        ? fusedAttention(heads)
        : explicitAttention(heads, { layer, tap, sequence }, cache.headSize);
      return cache.unpad(reshape(z, [rows, z.dim(2), z.dim(3)])); // [T, N, H]
    });
    return read.reduce((a, b) => concat(a, b, { axis: 0 })); // [R, N, H]
  };
}

/** Variants of one text that differ from some position on: what comes before is read from the text itself. */
export interface Variations {
  /** How many variants there are, V. */
  count: number;
  /** Keys and values of the text in a layer, `[T, N·H]` each. */
  text: (layer: number) => { k: Tensor; v: Tensor };
  /** Which row each query is: i32 `[V·Q]`, rows of this pass. */
  queries: Tensor;
  /** Which row each key is: i32 `[V·T]`, rows of the text and, after its T, of this pass. */
  keys: Tensor;
  /** Where the query of each row stands: i32 `[R]`. */
  rows: Tensor;
  /** f16 or f32 `[1, 1, Q, T]`: the last Q positions look at all T. */
  mask: Tensor;
}

/** Rows of all variants from where they differ; each reads its own keys and, before them, those of the text. */
export function attendToText(
  { count, text, queries, keys, rows, mask }: Variations,
  { fused }: Scheme,
): Attend {
  return ({ q, k, v }, { layer, tap }) => {
    const [heads, headSize] = [q.dim(1), q.dim(2)];
    const useFused = fused && !needsScores(layer, tap);
    const flat = (x: Tensor): Tensor => reshape(contiguous(x), [x.dim(0), -1]); // [R, N·H]
    const byVariant = (x: Tensor): Tensor =>
      permute(reshape(x, [count, -1, x.dim(1) / headSize, headSize]), [0, 2, 1, 3]); // [V, N, T, H]
    const before = text(layer);
    const whole = (own: Tensor, ofText: Tensor): Tensor =>
      byVariant(takeRows(concat(ofText, flat(own), { axis: 0 }), keys));
    const query = byVariant(takeRows(flat(useFused ? scaledQueries(q, headSize) : q), queries));
    const all = { q: query, k: whole(k, before.k), v: whole(v, before.v), mask };
    const read = useFused ? fusedAttention(all) : explicitAttention(all, { layer, tap });
    const table = reshape(contiguous(read), [-1, heads * headSize]); // [V·Q, N·H]
    return reshape(takeRows(table, rows), [-1, heads, headSize]); // [R, N, H]
  };
}

/** `[T, N, H]` → `[1, N, T, H]` */
function byHead(x: Tensor): Tensor {
  return permute(reshape(x, [1, x.dim(0), x.dim(1), x.dim(2)]), [0, 2, 1, 3]);
}

function needsScores(layer: number, tap: Tap): boolean {
  const at = `blocks.${layer}.attn` as const;
  return tap.wants(`${at}.hook_attn_scores`) || tap.wants(`${at}.hook_pattern`);
}

/**
 * q/√H. Scaled before the product, not after: its 16-bit operands overflow in Phi-2 otherwise. llama.cpp does the same, so
 * that both give the same numbers.
 */
function scaledQueries(q: Tensor, headSize: number): Tensor {
  return scale(q, 1 / Math.sqrt(headSize));
}

interface MaskedHeads extends Heads {
  mask: Tensor;
}

/** `[B, N, T, H]`, with queries from `scaledQueries` → `[B, T, N, H]` */
function fusedAttention({ q, k, v, mask }: MaskedHeads): Tensor {
  return flashAttention({ q, k, v, mask }, { scale: 1 });
}

/** softmax(q·kᵀ/√H + mask)·v, Vaswani et al. 2017 (arXiv 1706.03762), eq. 1. `[B, N, T, H]` → `[B, T, N, H]` */
function explicitAttention(
  { q, k, v, mask }: MaskedHeads,
  { layer, tap, sequence }: { layer: number; tap: Tap; sequence?: number },
  headSize = q.dim(3),
): Tensor {
  const at = `blocks.${layer}.attn` as const;
  const products = matmulTransposed(q, k); // [B, N, T, S]
  const factor = 1 / Math.sqrt(headSize);
  const about = sequence === undefined ? {} : { sequence };
  let pattern: Tensor;
  if (tap.wants(`${at}.hook_attn_scores`)) {
    const scores = add(scale(products, factor), cast(mask, "f32"));
    pattern = softmax(tap(`${at}.hook_attn_scores`, scores, about));
  } else {
    pattern = softmax(products, { mask, scale: factor });
  }
  pattern = tap(`${at}.hook_pattern`, pattern, about); // [B, N, T, S]
  // Blocks are decoded where they lie.
  const decoded = (): Tensor => cast(isQuantized(v.dtype) ? v : contiguous(v), "f32");
  const values = v.dtype === "f32" ? v : decoded();
  const z = matmulTransposed(pattern, permute(values, [0, 1, 3, 2])); // [B, N, T, H]
  return permute(z, [0, 2, 1, 3]);
}
