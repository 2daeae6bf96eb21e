/** Documents that are the same, or nearly: by the hash of their texts, and by MinHash-LSH over their sketches. */
import { similarity } from "./sketch.ts";
import type { Surveyed } from "./survey.ts";

export interface LshOptions {
  /** Two texts are compared where all `rows` values of one of `bands` bands agree. */
  bands: number;
  rows: number;
  /** Estimated similarity from which two texts are duplicates. */
  threshold: number;
}

/** Documents that share a band with more than this many others are compared with these only; it is counted. */
const MAX_COMPARED = 2_000;

export interface Clusters {
  /** For each document the one that stands for its cluster; itself, where it does. */
  keeper: Int32Array;
  /** For each document that does not: whether its text is its keeper's, letter for letter. */
  exact: Uint8Array;
  comparisons: number;
  /** How often a document was not compared with all that share a band with it. */
  cut: number;
}

/**
 * Joins all pairs of duplicates into clusters; of a cluster the longest text is kept, of equal ones that whose id's hash is
 * least. Nothing depends on the order in which documents came.
 */
export function clusterDuplicates(surveyed: Surveyed, options: LshOptions): Clusters {
  const { count } = surveyed;
  const parent = Int32Array.from({ length: count }, (_, d) => d);
  joinExact(surveyed, parent);
  const counts = { comparisons: 0, cut: 0 };
  for (let band = 0; band < options.bands; band++)
    joinBand(surveyed, { ...options, band, parent, counts });
  const keeper = new Int32Array(count).fill(-1);
  for (let d = 0; d < count; d++) {
    const root = find(parent, d);
    const held = keeper[root] ?? -1;
    if (held < 0 || (surveyed.lengths[d] ?? 0) > (surveyed.lengths[held] ?? 0)) keeper[root] = d;
  }
  for (let d = 0; d < count; d++) {
    const root = find(parent, d);
    if (root !== d) keeper[d] = keeper[root] ?? d;
  }
  // A root's own entry is its keeper already.
  const exact = new Uint8Array(count);
  for (let d = 0; d < count; d++) {
    const kept = keeper[d] ?? d;
    if (kept !== d && sameText(surveyed, d, kept)) exact[d] = 1;
  }
  return { keeper, exact, ...counts };
}

function sameText({ texts }: Surveyed, a: number, b: number): boolean {
  return texts[2 * a] === texts[2 * b] && texts[2 * a + 1] === texts[2 * b + 1];
}

function joinExact(surveyed: Surveyed, parent: Int32Array): void {
  const first = new Map<bigint, number>();
  for (let d = 0; d < surveyed.count; d++) {
    const key = surveyed.texts[2 * d] ?? 0n;
    const known = first.get(key);
    if (known === undefined) first.set(key, d);
    else if (sameText(surveyed, d, known)) join(parent, d, known);
  }
}

/** Joins the documents that agree in a band and are similar as a whole. */
function joinBand(
  surveyed: Surveyed,
  {
    rows,
    threshold,
    band,
    parent,
    counts,
  }: LshOptions & {
    band: number;
    parent: Int32Array;
    counts: { comparisons: number; cut: number };
  },
): void {
  const { count, size, sketches } = surveyed;
  const buckets = new Buckets(count);
  for (let d = 0; d < count; d++) {
    // Exact copies agree everywhere: one of them stands for all.
    if (parent[d] !== d && sameText(surveyed, d, parent[d] ?? d)) continue;
    const at = d * size + band * rows;
    let [low, high] = [0x9747b28c, 0x3c6ef372];
    for (let row = 0; row < rows; row++) {
      const value = sketches[at + row] ?? 0;
      low = Math.imul(low ^ value, 0x85ebca6b) ^ (low >>> 15);
      high = Math.imul(high ^ value, 0xc2b2ae35) ^ (high >>> 13);
    }
    let compared = 0;
    for (let other = buckets.add(d, low, high); other >= 0; other = buckets.before(other)) {
      if (find(parent, other) === find(parent, d)) continue;
      if (compared === MAX_COMPARED) {
        counts.cut++;
        break;
      }
      compared++;
      if (similarity(sketches, { a: d, b: other, size }) >= threshold) join(parent, d, other);
    }
    counts.comparisons += compared;
  }
}

/** Documents by a 64-bit key: open addressing, and a chain of those with the same key. */
class Buckets {
  readonly #mask: number;
  readonly #low: Int32Array;
  readonly #high: Int32Array;
  readonly #last: Int32Array;
  readonly #before: Int32Array;

  constructor(count: number) {
    const slots = 2 ** Math.ceil(Math.log2(Math.max(2, 2 * count)));
    this.#mask = slots - 1;
    this.#low = new Int32Array(slots);
    this.#high = new Int32Array(slots);
    this.#last = new Int32Array(slots).fill(-1);
    this.#before = new Int32Array(count).fill(-1);
  }

  /** Puts a document in, and gives the one that came before it under the same key, or -1. */
  add(document: number, low: number, high: number): number {
    let slot = (low ^ (high >>> 7)) & this.#mask;
    for (; (this.#last[slot] ?? -1) >= 0; slot = (slot + 1) & this.#mask)
      if (this.#low[slot] === (low | 0) && this.#high[slot] === (high | 0)) break;
    const before = this.#last[slot] ?? -1;
    this.#low[slot] = low;
    this.#high[slot] = high;
    this.#last[slot] = document;
    this.#before[document] = before;
    return before;
  }

  before(document: number): number {
    return this.#before[document] ?? -1;
  }
}

function find(parent: Int32Array, document: number): number {
  let at = document;
  for (let up = parent[at] ?? at; up !== at; up = parent[at] ?? at) {
    parent[at] = parent[up] ?? up;
    at = up;
  }
  return at;
}

/** The least index is the root. */
function join(parent: Int32Array, a: number, b: number): void {
  const [rootA, rootB] = [find(parent, a), find(parent, b)];
  parent[Math.max(rootA, rootB)] = Math.min(rootA, rootB);
}
