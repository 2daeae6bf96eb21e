/** Which sequences of the data share a row of a batch. */

/**
 * - `none`: a row for each sequence, padded
 * - `bfd`: whole sequences, best fit decreasing: the fullest rows that can be had without cutting
 * - `ordered`: whole sequences, each into the row of the one before it in the data while there is room
 * - `wrapped`: documents one after the other, running on from one row into the next: no padding at all
 */
export const PACKINGS = ["none", "bfd", "ordered", "wrapped"] as const;
export type Packing = (typeof PACKINGS)[number];

/** Groups of items, one after the other: group g is `items[starts[g] … starts[g + 1] - 1]`. */
export interface Groups {
  items: Uint32Array;
  /** One more than groups. */
  starts: Uint32Array;
}

/**
 * Best fit decreasing: items by descending length (of equal ones the earlier first), each into the fullest group that
 * has room for it. At most 11/9 of the least possible number of groups and 4 more (Johnson et al. 1974).
 *
 * @param lengths - each from 1 to `capacity`
 */
export function packBestFit(lengths: ArrayLike<number>, capacity: number): Groups {
  const open = new OpenGroups(capacity);
  const groupOf = new Uint32Array(lengths.length);
  let groups = 0;
  const order = byDescendingLength(lengths, capacity);
  for (const item of order) {
    const length = lengths[item]!;
    const room = open.leastRoom(length);
    const group = room === undefined ? groups++ : open.take(room);
    groupOf[item] = group;
    open.put(group, (room ?? capacity) - length);
  }
  return grouped(order, groupOf, groups);
}

/** Each item into the group of the one before it while it fits (next fit). */
export function packInOrder(lengths: ArrayLike<number>, capacity: number): Groups {
  const starts = [0];
  let used = 0;
  for (let item = 0; item < lengths.length; item++) {
    used += lengths[item]!;
    if (used <= capacity || item === 0) continue;
    starts.push(item);
    used = lengths[item]!;
  }
  return {
    items: Uint32Array.from({ length: lengths.length }, (_, item) => item),
    starts: Uint32Array.from([...starts, lengths.length]),
  };
}

/** Groups that have room left, found by how much: stacks of groups, and a bit for each stack that is not empty. */
class OpenGroups {
  readonly #stacks: number[][];
  readonly #bits: Uint32Array;

  constructor(capacity: number) {
    this.#stacks = Array.from({ length: capacity + 1 }, () => []);
    this.#bits = new Uint32Array((capacity >> 5) + 1);
  }

  put(group: number, room: number): void {
    this.#stacks[room]!.push(group);
    this.#bits[room >> 5]! |= 1 << (room & 31);
  }

  take(room: number): number {
    const group = this.#stacks[room]!.pop()!;
    if (this.#stacks[room]!.length === 0) this.#bits[room >> 5]! &= ~(1 << (room & 31));
    return group;
  }

  /** The least room of any group that is at least `needed`. */
  leastRoom(needed: number): number | undefined {
    for (let word = needed >> 5; word < this.#bits.length; word++) {
      const hidden = word === needed >> 5 ? needed & 31 : 0;
      const bits = this.#bits[word]! & (-1 << hidden);
      if (bits !== 0) return word * 32 + 31 - Math.clz32(bits & -bits);
    }
    return undefined;
  }
}

/** Counting sort. */
function byDescendingLength(lengths: ArrayLike<number>, capacity: number): Uint32Array {
  const places = new Uint32Array(capacity + 2);
  for (let item = 0; item < lengths.length; item++) places[capacity - lengths[item]! + 1]!++;
  for (let i = 1; i < places.length; i++) places[i]! += places[i - 1]!;
  const order = new Uint32Array(lengths.length);
  for (let item = 0; item < lengths.length; item++)
    order[places[capacity - lengths[item]!]!++] = item;
  return order;
}

function grouped(order: Uint32Array, groupOf: Uint32Array, groups: number): Groups {
  const starts = new Uint32Array(groups + 1);
  for (const group of groupOf) starts[group + 1]!++;
  for (let group = 0; group < groups; group++) starts[group + 1]! += starts[group]!;
  const places = starts.slice();
  const items = new Uint32Array(order.length);
  for (const item of order) items[places[groupOf[item]!]!++] = item;
  return { items, starts };
}
