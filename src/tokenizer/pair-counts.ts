/**
 * How often each pair of neighbouring tokens occurs, as a hash table that gives every pair a number, in order of its
 * first appearance. Open addressing in flat arrays.
 */
export class PairCounts {
  #lefts = new Int32Array(INITIAL_PAIRS);
  #rights = new Int32Array(INITIAL_PAIRS);
  #counts = new Float64Array(INITIAL_PAIRS);
  #size = 0;
  /** Number of the pair + 1; 0: the slot is empty. Twice as many slots as pairs, a power of two. */
  #slots = new Int32Array(2 * INITIAL_PAIRS);

  left(pair: number): number {
    return this.#lefts[pair]!;
  }

  right(pair: number): number {
    return this.#rights[pair]!;
  }

  count(pair: number): number {
    return this.#counts[pair]!;
  }

  /** Changes a pair's count, which is 0 before it is first named, and gives its number. */
  add(left: number, right: number, change: number): number {
    let slot = this.#slot(left, right);
    if (this.#slots[slot] === 0) {
      if (this.#size === this.#lefts.length) {
        this.#grow();
        slot = this.#slot(left, right);
      }
      this.#lefts[this.#size] = left;
      this.#rights[this.#size] = right;
      this.#slots[slot] = ++this.#size;
    }
    const pair = this.#slots[slot]! - 1;
    this.#counts[pair]! += change;
    return pair;
  }

  /** The slot that holds the pair, or the empty one where it belongs. */
  #slot(left: number, right: number): number {
    const mask = this.#slots.length - 1;
    const mixed = Math.imul(left, 0x9e3779b1) ^ Math.imul(right, 0x85ebca77);
    let slot = (mixed ^ (mixed >>> 15)) & mask;
    for (let held = this.#slots[slot]!; held !== 0; held = this.#slots[slot]!) {
      if (this.#lefts[held - 1] === left && this.#rights[held - 1] === right) break;
      slot = (slot + 1) & mask;
    }
    return slot;
  }

  #grow(): void {
    const pairs = 2 * this.#lefts.length;
    this.#lefts = widened(this.#lefts, new Int32Array(pairs));
    this.#rights = widened(this.#rights, new Int32Array(pairs));
    this.#counts = widened(this.#counts, new Float64Array(pairs));
    this.#slots = new Int32Array(2 * pairs);
    for (let pair = 0; pair < this.#size; pair++)
      this.#slots[this.#slot(this.#lefts[pair]!, this.#rights[pair]!)] = pair + 1;
  }
}

const INITIAL_PAIRS = 1 << 14;

function widened<A extends Int32Array | Float64Array>(from: A, to: A): A {
  to.set(from);
  return to;
}
