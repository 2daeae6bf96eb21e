import { corruptTokenizer } from "./data.ts";
import { describe } from "./json.ts";

/** A merge as files have it: "left right", or the two apart. */
export type Merge = string | readonly [string, string];

/**
 * The merges of a byte pair encoding as a hash table from a pair of token ids to the merge's rank
 * (its place in the list; the lowest is merged first) and the id of the joined token.
 * Open addressing in flat arrays: 50,000 merges take 2 MB.
 */
export class MergeTable {
  readonly #lefts: Int32Array; // -1: the slot is empty
  readonly #rights: Int32Array;
  readonly #ranks: Int32Array;
  readonly #joinedIds: Int32Array; // by rank
  readonly #mask: number;
  readonly #shift: number;

  /**
   * @param ids - of every token that a merge may name.
   * @param source - what the merges were read from, for errors.
   * Throws `corrupt_file` for a merge that is no pair or that names tokens the vocabulary lacks.
   * Of two equal merges the later counts, as in Hugging Face's tokenizers.
   */
  constructor(merges: readonly Merge[], ids: ReadonlyMap<string, number>, source: string) {
    const bits = Math.max(4, Math.ceil(Math.log2(merges.length * 2 + 1)));
    this.#mask = 2 ** bits - 1;
    this.#shift = 32 - bits;
    this.#lefts = new Int32Array(2 ** bits).fill(-1);
    this.#rights = new Int32Array(2 ** bits);
    this.#ranks = new Int32Array(2 ** bits);
    this.#joinedIds = new Int32Array(merges.length);

    for (let rank = 0; rank < merges.length; rank++) {
      const [left, right] = pairOf(merges[rank], rank, source);
      const leftId = ids.get(left);
      const rightId = ids.get(right);
      const joinedId = ids.get(left + right);
      if (leftId === undefined) throw missingToken(source, rank, left);
      if (rightId === undefined) throw missingToken(source, rank, right);
      if (joinedId === undefined) throw missingToken(source, rank, left + right);

      const slot = this.#slot(leftId, rightId);
      this.#lefts[slot] = leftId;
      this.#rights[slot] = rightId;
      this.#ranks[slot] = rank;
      this.#joinedIds[rank] = joinedId;
    }
  }

  /** Rank of the merge of two neighbours, or -1 when they do not merge. */
  rank(left: number, right: number): number {
    const slot = this.#slot(left, right);
    return this.#lefts[slot] === -1 ? -1 : this.#ranks[slot]!;
  }

  /** Id of the token that the merge of this rank makes. */
  joinedId(rank: number): number {
    return this.#joinedIds[rank]!;
  }

  /** The slot that holds the pair, or the empty one where it belongs. */
  #slot(left: number, right: number): number {
    let slot = (Math.imul(left, 0x9e3779b1) ^ Math.imul(right, 0x85ebca77)) >>> this.#shift;
    while (this.#lefts[slot] !== -1 && (this.#lefts[slot] !== left || this.#rights[slot] !== right))
      slot = (slot + 1) & this.#mask;
    return slot;
  }
}

/** A merge's two sides; its form is checked here, since files are cast to `Merge` unread. */
function pairOf(merge: unknown, rank: number, source: string): readonly [string, string] {
  if (typeof merge === "string") {
    const space = merge.indexOf(" ");
    if (space > 0 && space < merge.length - 1 && !merge.includes(" ", space + 1))
      return [merge.slice(0, space), merge.slice(space + 1)];
  } else if (Array.isArray(merge) && merge.length === 2) {
    const [left, right] = merge as unknown[];
    if (typeof left === "string" && typeof right === "string") return merge as [string, string];
  }
  throw corruptTokenizer(source, `merge ${rank} is ${describe(merge)}, not a pair of tokens`);
}

function missingToken(source: string, rank: number, token: string): Error {
  return corruptTokenizer(
    source,
    `merge ${rank} needs the token ${describe(token)}, which the vocabulary lacks`,
  );
}
