/**
 * A text being read: its tokens and a cache with their keys and values. Reading another text keeps what both begin with.
 *
 * Whether a kept value is the very number that reading afresh would give depends on how it was computed: the products
 * inside ggml add in another order for one row than for many. Prompts are therefore read in blocks at fixed places, and
 * with `reuse: "exact"` only whole blocks of an earlier prompt are kept, so that the cache never changes a result.
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
  /** Tokens at the start that were read in whole blocks. */
  #blockTokens = 0;

  constructor(runner: Runner, { capacity, type }: { capacity: number; type: KvCacheType }) {
    this.#runner = runner;
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
    const kept = this.#keep(ids, reuse);
    let logits: Float32Array | undefined;
    for (let start = kept; start < ids.length;) {
      const end = nextBlockEnd(start, ids.length);
      logits = await this.#append(ids.slice(start, end), { last: end === ids.length, options });
      start = end;
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
    this.#blockTokens = Math.min(this.#blockTokens, Math.floor(length / BLOCK) * BLOCK);
  }

  /** Empties sequence and cache, after a computation that may have left values in it which are no numbers. */
  reset(): void {
    this.truncate(0);
    this.#runner.forget(this.cache);
    this.cache.reset();
  }

  #keep(ids: readonly number[], reuse: Reuse): number {
    let common = 0;
    while (common < this.#tokens.length && this.#tokens[common] === ids[common]) common++;
    // The last token is always read: its logits are wanted.
    common = Math.min(common, ids.length - 1);
    const kept = {
      none: 0,
      longest: common,
      exact: Math.floor(Math.min(common, this.#blockTokens) / BLOCK) * BLOCK,
    }[reuse];
    this.truncate(kept);
    return kept;
  }

  async #append(
    ids: readonly number[],
    { last, options }: { last: boolean; options: PassOptions },
  ): Promise<Float32Array | undefined> {
    const wholeBlocks = ids.length % BLOCK === 0 && this.#blockTokens === this.#tokens.length;
    const step = this.#continue(ids, last ? [ids.length - 1] : []);
    const [logits] = await this.#runner.run([step], options);
    this.#tokens.push(...ids);
    if (wholeBlocks) this.#blockTokens = this.#tokens.length;
    return logits;
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
function nextBlockEnd(start: number, length: number): number {
  const wholeBlocks = Math.floor(length / BLOCK) * BLOCK;
  if (start >= wholeBlocks) return length;
  if (start % BLOCK !== 0) return Math.min(length, (Math.floor(start / BLOCK) + 1) * BLOCK);
  return Math.min(wholeBlocks, (Math.floor(start / MAX_ROWS) + 1) * MAX_ROWS);
}
