/**
 * Keys and values of the tokens a sequence has seen, so that each new token costs one row.
 *
 * A cache has cells; a token's keys and values lie in one cell of every layer. Which cells a query sees is decided by the
 * mask of the forward pass, not here. Types: f16 (default), f32 (reference mode), q8_0 (half of f16; heads whose size is no
 * multiple of 32, such as Phi-2's 80, are padded with zeros to the next one).
 */
import { invariant, LabError } from "../base/errors.ts";
import type { Backend } from "../engine/backend.ts";
import { DTYPES, type DType } from "../engine/dtypes.ts";
import { padEnd, permute, putRows, reshape, slice } from "../tensor/ops/index.ts";
import { TensorStore } from "../tensor/store.ts";
import type { Tensor } from "../tensor/tensor.ts";

export const KV_CACHE_TYPES = ["f16", "q8_0", "f32"] as const satisfies readonly DType[];
export type KvCacheType = (typeof KV_CACHE_TYPES)[number];

export interface KvCacheShape {
  layers: number;
  heads: number;
  headSize: number;
  /** Heads of keys and values; those of the queries by default. */
  keyValueHeads?: number;
}

/** Head size as stored: whole blocks of the type. */
function paddedHeadSize(headSize: number, type: KvCacheType): number {
  const { blockSize } = DTYPES[type];
  return Math.ceil(headSize / blockSize) * blockSize;
}

/** Bytes of a cache of `cells` tokens. */
export function kvCacheBytes(shape: KvCacheShape, type: KvCacheType, cells: number): number {
  const { blockSize, blockBytes } = DTYPES[type];
  const { layers, heads, keyValueHeads = heads } = shape;
  const values = 2 * layers * keyValueHeads * paddedHeadSize(shape.headSize, type) * cells;
  return (values / blockSize) * blockBytes;
}

export class KvCache {
  readonly capacity: number;
  readonly headSize: number;
  readonly type: KvCacheType;
  readonly #store: TensorStore;
  readonly #layers: readonly { k: Tensor; v: Tensor }[]; // [S, N·H] each
  readonly #heads: number;
  readonly #padding: number;
  #cleared = 0;

  constructor(
    backend: Backend,
    shape: KvCacheShape,
    { capacity, type }: { capacity: number; type: KvCacheType },
  ) {
    if (!Number.isInteger(capacity) || capacity < 1)
      throw new LabError("bad_input", `a cache of ${capacity} tokens`);
    this.capacity = capacity;
    this.headSize = shape.headSize;
    this.type = type;
    this.#heads = shape.keyValueHeads ?? shape.heads;
    const padded = paddedHeadSize(shape.headSize, type);
    this.#padding = padded - shape.headSize;
    this.#store = new TensorStore(2 * shape.layers);
    const specs = Array.from({ length: 2 * shape.layers }, (_, i) => ({
      name: `cache.${Math.floor(i / 2)}.${i % 2 === 0 ? "k" : "v"}`,
      dtype: type,
      shape: [capacity, this.#heads * padded],
    }));
    let tensors: Tensor[];
    try {
      tensors = this.#store.create(backend.bufferType, specs);
    } catch (error) {
      this.#store[Symbol.dispose]();
      throw error;
    }
    this.#layers = Array.from({ length: shape.layers }, (_, l) => ({
      k: tensors[2 * l] as Tensor,
      v: tensors[2 * l + 1] as Tensor,
    }));
  }

  get sizeBytes(): number {
    return this.#store.sizeBytes;
  }

  /**
   * Makes sure that the first `span` cells hold numbers. Fresh memory may hold anything, and a masked NaN is still a NaN.
   * Cells are cleared only when they come into view, so that an unused context takes no memory.
   */
  expose(span: number): void {
    if (span <= this.#cleared) return;
    for (const { k, v } of this.#layers) {
      k.clearRows(this.#cleared, span - this.#cleared);
      v.clearRows(this.#cleared, span - this.#cleared);
    }
    this.#cleared = span;
  }

  /** Copies the first `count` cells of another cache of the same shape; no computation may use either meanwhile. */
  copyCells(other: KvCache, count: number): void {
    if (count === 0) return;
    invariant(
      count <= Math.min(this.capacity, other.capacity) && this.type === other.type,
      "cells are copied between caches that hold them",
    );
    this.expose(count);
    this.#layers.forEach(({ k, v }, layer) => {
      const from = other.#at(layer);
      k.copyRows(from.k, count);
      v.copyRows(from.v, count);
    });
  }

  /** Takes everything out: what a failed computation left may be no numbers. Graphs that use the cache must go before. */
  reset(): void {
    this.#cleared = 0;
  }

  /** Appends zeros to each head where the type stores whole blocks. */
  pad(x: Tensor): Tensor {
    return padEnd(x, { axis: -1, amount: this.#padding });
  }

  /** Takes the zeros off again. */
  unpad(x: Tensor): Tensor {
    return slice(x, { axis: -1, start: 0, length: this.headSize });
  }

  /** Writes keys and values `[T, N, H]` into cells (i64 `[T]`, each below `capacity`). */
  store(layer: number, { k, v, cells }: { k: Tensor; v: Tensor; cells: Tensor }): void {
    const tables = this.#at(layer);
    for (const [table, values] of [
      [tables.k, k],
      [tables.v, v],
    ] as const) {
      const rows = reshape(this.pad(values), [values.dim(0), table.dim(1)]); // [T, N·H]
      const written = putRows(table, rows, cells);
      written.graph?.require(written);
    }
  }

  /** Keys and values of the first `span` cells, `[1, N, S, H]` each, as part of the graph of `like`. */
  view(layer: number, span: number, like: Tensor): { k: Tensor; v: Tensor } {
    const { k, v } = this.#at(layer);
    const graph = like.graph;
    if (graph === undefined)
      throw new LabError("internal", "internal: a cache viewed outside a graph");
    const heads = (table: Tensor): Tensor => {
      const cells = slice(graph.use(table), { axis: 0, start: 0, length: span }); // [S, N·H]
      const split = reshape(cells, [1, span, this.#heads, like.dim(2)]); // [1, S, N, H]
      return permute(split, [0, 2, 1, 3]);
    };
    return { k: heads(k), v: heads(v) };
  }

  #at(layer: number): { k: Tensor; v: Tensor } {
    const found = this.#layers[layer];
    if (found === undefined)
      throw new LabError("internal", `internal: the cache has no layer ${layer}`);
    return found;
  }

  [Symbol.dispose](): void {
    this.#store[Symbol.dispose]();
  }
}
