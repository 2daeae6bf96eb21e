/**
 * Seeded random numbers: the counter-based generator Philox4x32-10 of Salmon, Moraes, Dror and Shaw,
 * "Parallel random numbers: as easy as 1, 2, 3" (SC 2011). A block of numbers depends on nothing but
 * the seed and the block's index, so equal seeds give equal numbers on every machine, and streams made
 * with `split` do not depend on how many numbers another stream has used (or on the batch it ran in).
 */
import { randomInt } from "node:crypto";

import { LabError } from "./errors.ts";

const MULTIPLIER_0 = 0xd2511f53;
const MULTIPLIER_1 = 0xcd9e8d57;
const WEYL_0 = 0x9e3779b9;
const WEYL_1 = 0xbb67ae85;
const ROUNDS = 10;

/** Last counter word of the blocks that make the keys of split streams; blocks of numbers have 0 there. */
const SPLIT_BLOCK = 0xffffffff;

type Words2 = readonly [number, number];
type Words4 = readonly [number, number, number, number];

/** One block of Philox4x32-10: four 32-bit words from a counter of four and a key of two. */
export function philox4x32(counter: Words4, key: Words2): Words4 {
  let [c0, c1, c2, c3] = counter;
  let [k0, k1] = key;
  for (let round = 0; round < ROUNDS; round++) {
    const high0 = multiplyHigh(MULTIPLIER_0, c0);
    const high1 = multiplyHigh(MULTIPLIER_1, c2);
    const low0 = Math.imul(MULTIPLIER_0, c0);
    const low1 = Math.imul(MULTIPLIER_1, c2);
    c0 = (high1 ^ c1 ^ k0) >>> 0;
    c1 = low1 >>> 0;
    c2 = (high0 ^ c3 ^ k1) >>> 0;
    c3 = low0 >>> 0;
    k0 = (k0 + WEYL_0) >>> 0;
    k1 = (k1 + WEYL_1) >>> 0;
  }
  return [c0, c1, c2, c3];
}

/** Upper 32 bits of the 64-bit product of two unsigned 32-bit integers. */
function multiplyHigh(a: number, b: number): number {
  const aLow = a & 0xffff;
  const aHigh = a >>> 16;
  const bLow = b & 0xffff;
  const bHigh = b >>> 16;
  const middle = aHigh * bLow + ((aLow * bLow) >>> 16); // below 2^32
  const cross = aLow * bHigh + (middle & 0xffff); // below 2^32
  return (aHigh * bHigh + (middle >>> 16) + (cross >>> 16)) >>> 0;
}

/** A seed nobody chose, below 2^32 so that it is easy to copy from a result file. */
export function freshSeed(): number {
  return randomInt(2 ** 32);
}

/** A stream of random numbers from a seed (Philox4x32-10, Salmon et al. 2011): equal seeds give equal numbers on every machine. */
export class Random {
  #key: Words2;
  #block = 0;
  #words: Words4 = [0, 0, 0, 0];
  #used = 4;
  #spareNormal: number | undefined;

  /** @param seed - an integer from 0 to 2^53 - 1; `bad_input` otherwise. */
  constructor(seed: number) {
    this.#key = wordsOf(seed, "seed");
  }

  /**
   * An independent generator for a numbered use (a sequence of a batch, an epoch, a shard): its key is
   * a Philox block of this generator's key and `stream`. What either has drawn does not matter.
   */
  split(stream: number): Random {
    const [low, high] = wordsOf(stream, "stream");
    const [key0, key1] = philox4x32([low, high, 0, SPLIT_BLOCK], this.#key);
    const child = new Random(0);
    child.#key = [key0, key1];
    return child;
  }

  /** An integer from 0 to 2^32 - 1. */
  uint32(): number {
    if (this.#used === 4) {
      this.#words = philox4x32([...wordsOf(this.#block, "block"), 0, 0], this.#key);
      this.#block++;
      this.#used = 0;
    }
    return this.#words[this.#used++]!;
  }

  /** A multiple of 2^-53 in [0, 1). */
  uniform(): number {
    const high = this.uint32() >>> 5;
    const low = this.uint32() >>> 6;
    return (high * 2 ** 26 + low) / 2 ** 53;
  }

  /** A number from the normal distribution (Box and Muller's transform, both halves used). */
  normal({ mean = 0, standardDeviation = 1 } = {}): number {
    const spare = this.#spareNormal;
    if (spare !== undefined) {
      this.#spareNormal = undefined;
      return mean + standardDeviation * spare;
    }
    const radius = Math.sqrt(-2 * Math.log(1 - this.uniform())); // 1 - [0, 1) is never 0
    const angle = 2 * Math.PI * this.uniform();
    this.#spareNormal = radius * Math.sin(angle);
    return mean + standardDeviation * radius * Math.cos(angle);
  }

  /** An integer from 0 to `below` - 1, without bias (Lemire's rejection); 1 ≤ `below` ≤ 2^32. */
  integer(below: number): number {
    if (!Number.isInteger(below) || below < 1 || below > 2 ** 32)
      throw new LabError("bad_input", `random integer below ${below}: the bound must be 1 to 2^32`);
    if (below === 2 ** 32) return this.uint32();
    const biased = (2 ** 32 - below) % below;
    for (;;) {
      const word = this.uint32();
      if (Math.imul(word, below) >>> 0 >= biased) return multiplyHigh(word, below);
    }
  }

  /** The integers 0 … `length` - 1 in random order (Fisher and Yates). */
  permutation(length: number): Uint32Array {
    const order = Uint32Array.from({ length }, (_, i) => i);
    for (let i = length - 1; i > 0; i--) {
      const j = this.integer(i + 1);
      const swapped = order[i]!;
      order[i] = order[j]!;
      order[j] = swapped;
    }
    return order;
  }

  /**
   * An index, drawn in proportion to its weight; uses exactly one `uniform`. `bad_input` unless the
   * weights are finite, not negative, and not all zero.
   */
  weightedIndex(weights: ArrayLike<number>): number {
    let total = 0;
    for (let i = 0; i < weights.length; i++) {
      const weight = weights[i]!;
      if (!(weight >= 0)) throw new LabError("bad_input", `weight ${i} is ${weight}`);
      total += weight;
    }
    if (!(total > 0 && total < Infinity))
      throw new LabError("bad_input", `the ${weights.length} weights add up to ${total}`);

    let left = this.uniform() * total;
    let last = 0;
    for (let i = 0; i < weights.length; i++) {
      const weight = weights[i]!;
      if (weight === 0) continue;
      if (left < weight) return i;
      left -= weight;
      last = i;
    }
    return last; // rounding of the sum left a crumb
  }
}

/** Low and high 32-bit words of a non-negative integer below 2^53. */
function wordsOf(value: number, name: string): Words2 {
  if (!Number.isSafeInteger(value) || value < 0)
    throw new LabError("bad_input", `${name} ${value}: it must be an integer from 0 to 2^53 - 1`);
  return [value >>> 0, Math.floor(value / 2 ** 32)];
}
