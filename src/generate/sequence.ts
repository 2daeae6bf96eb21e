/**
 * A text being read: its tokens and a cache with their keys and values. Reading another text keeps what both begin with.
 *
 * Whether a kept value is the very number that reading afresh would give depends on how it was computed: the products
 * inside ggml add in another order for one row than for many. Prompts are therefore read in blocks at fixed places, and
 * with `reuse: "exact"` only whole blocks of an earlier prompt are kept, so that the cache never changes a result. Where no
 * row depends on those beside it (`model/independent-rows.ts`), every token of an earlier prompt is.
 */
import { LabError } from "../base/errors.ts";
import type { Intervention } from "../model/hooks/cached.ts";
import { KvCache, type KvCacheType } from "../model/kv-cache.ts";
import type { CachedTokens } from "../model/cached-tokens.ts";
import type { Runner } from "../model/runner.ts";

/** Rows of the blocks that can be kept exactly; every read starts at a multiple of it. */
const BLOCK = 64;
/** Rows that are read at a time, a multiple of `BLOCK`. */
const MAX_ROWS = 512;

/**
 * - `exact`: keep whole blocks that were read as a prompt; the result is that of reading everything
 * - `longest`: keep every common token, generated ones too; differs from reading afresh by rounding
 * - `none`: keep nothing
 */
export type Reuse = "exact" | "longest" | "none";

interface PassOptions {
  signal?: AbortSignal;
  intervention?: Intervention | undefined;
}

export class Sequence implements Disposable {
  readonly #runner: Runner;
  readonly cache: KvCache;
  #tokens: number[] = [];
  /** Tokens at the start that were read as a prompt, in whole blocks where these matter. */
  #blockTokens = 0;
  /** The tokens that can be kept exactly among the first `length` of a prompt. */
  readonly #whole: (length: number) => number;

  constructor(
    runner: Runner,
    {
      capacity,
      type,
      independentRows = false,
    }: { capacity: number; type: KvCacheType; independentRows?: boolean },
  ) {
    this.#runner = runner;
    this.#whole = independentRows ? (length) => length : wholeBlocks;
    this.cache = new KvCache(runner.backend, runner.config, { capacity, type });
  }

  get tokens(): readonly number[] {
    return this.#tokens;
  }

  /**
   * Reads a prompt; returns the logits `[V]` of the token after it, and how many tokens were kept from before.
   *
   * @throws LabError `too_long`, `interrupted` (what was read by then stays)
   */
  async read(
    ids: readonly number[],
    { reuse = "exact", ...options }: { reuse?: Reuse } & PassOptions = {},
  ): Promise<{ logits: Float32Array; kept: number }> {
    if (ids.length === 0) throw new LabError("bad_input", "the prompt has no tokens");
    if (ids.length > this.cache.capacity)
      throw new LabError(
        "too_long",
        `the prompt has ${ids.length} tokens; the context holds ${this.cache.capacity} (${ids.length - this.cache.capacity} too many)`,
        { hint: "Shorten the prompt." },
      );
    const kept = this.keep(ids, reuse);
    let logits: Float32Array | undefined;
    while (this.#tokens.length < ids.length) {
      const block = this.upcoming(ids);
      [logits] = await this.#runner.run([block], options);
      this.acceptBlock(block);
    }
    if (logits === undefined) throw new LabError("internal", "internal: a prompt without logits");
    return { logits, kept };
  }

  /** What the next token of a decoding step needs; the caller runs it, alone or beside others, then calls `accept`. */
  next(id: number): CachedTokens {
    return this.#continue([id], [0]);
  }

  /** Notes that a token was computed. */
  accept(id: number): void {
    this.#tokens.push(id);
  }

  /** Cuts the sequence back to its first `length` tokens. */
  truncate(length: number): void {
    this.#tokens.length = Math.min(this.#tokens.length, length);
    this.#blockTokens = Math.min(this.#blockTokens, this.#whole(length));
  }

  /** Empties sequence and cache, after a computation that may have left values in it which are no numbers. */
  reset(): void {
    this.truncate(0);
    this.#runner.forget(this.cache);
    this.cache.reset();
  }

  /** Cuts the sequence back to what a prompt begins with too, and says how many tokens that are. */
  keep(ids: readonly number[], reuse: Reuse): number {
    let common = commonLength(this.#tokens, ids);
    // The last token is always read: its logits are wanted.
    common = Math.min(common, ids.length - 1);
    const kept = {
      none: 0,
      longest: common,
      exact: this.#whole(Math.min(common, this.#blockTokens)),
    }[reuse];
    this.truncate(kept);
    return kept;
  }

  /** How many tokens of a prompt this sequence could keep exactly. */
  keepable(ids: readonly number[]): number {
    return this.#whole(
      Math.min(commonLength(this.#tokens, ids), this.#blockTokens, ids.length - 1),
    );
  }

  /** Takes the first `length` tokens of another sequence of this runner, which it can keep exactly, with their keys and values. */
  copyFrom(other: Sequence, length: number): void {
    this.truncate(0);
    this.#runner.forget(this.cache);
    this.cache.copyCells(other.cache, length);
    this.#tokens = other.#tokens.slice(0, length);
    this.#blockTokens = length;
  }

  /**
   * The next rows of a prompt whose beginning was read; the caller runs them, alone or beside others, then calls
   * `acceptBlock`. The last rows ask for logits.
   */
  upcoming(
    ids: readonly number[],
    {
      maxRows = MAX_ROWS,
      allLogits = false,
    }: {
      /** A multiple of the block. */
      maxRows?: number;
      /** Whether logits of every row are wanted. */
      allLogits?: boolean;
    } = {},
  ): CachedTokens {
    const start = this.#tokens.length;
    const block = ids.slice(start, nextBlockEnd(start, ids.length, maxRows));
    const last = start + block.length === ids.length ? [block.length - 1] : [];
    return this.#continue(block, allLogits ? [...block.keys()] : last);
  }

  /** Notes that rows of a prompt were computed. */
  acceptBlock({ ids }: CachedTokens): void {
    const isWhole =
      this.#whole(ids.length) === ids.length && this.#blockTokens === this.#tokens.length;
    this.#tokens.push(...ids);
    if (isWhole) this.#blockTokens = this.#tokens.length;
  }

  #continue(ids: readonly number[], logits: readonly number[]): CachedTokens {
    const start = this.#tokens.length;
    const positions = ids.map((_, i) => start + i);
    return {
      cache: this.cache,
      ids,
      positions,
      cells: positions,
      sees: (row, cell) => cell <= start + row,
      logits,
    };
  }

  [Symbol.dispose](): void {
    this.#runner.forget(this.cache);
    this.cache[Symbol.dispose]();
  }
}

/** Ends of reads depend on places in the text alone: whole blocks first, then the rest that fills none. */
function nextBlockEnd(start: number, length: number, maxRows: number): number {
  const blocksEnd = wholeBlocks(length);
  if (start >= blocksEnd) return length;
  if (start % BLOCK !== 0) return Math.min(length, (Math.floor(start / BLOCK) + 1) * BLOCK);
  return Math.min(blocksEnd, (Math.floor(start / maxRows) + 1) * maxRows);
}

/** How many tokens two texts begin with alike. */
function commonLength(a: readonly number[], b: readonly number[]): number {
  let common = 0;
  while (common < a.length && a[common] === b[common]) common++;
  return common;
}

/** The tokens of whole blocks among the first `length`. */
export function wholeBlocks(length: number): number {
  return Math.floor(length / BLOCK) * BLOCK;
}
