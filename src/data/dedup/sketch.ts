/**
 * Fast similarity sketching (Dahlgaard, Knudsen and Thorup, arXiv 1704.04370): t values of which two texts share as large
 * a part as their sets share (Jaccard's similarity), with the concentration of t independent MinHashes, in O(t log t + n)
 * instead of O(t · n). Round i < t hashes every element into a random bin with the value i + v; rounds t to 2t - 1 fill the
 * bins that are still empty. A bin keeps its least value.
 */
import { mix } from "./shingles.ts";

export class Sketcher {
  /** t: values of a sketch. */
  readonly size: number;
  readonly #round: Uint16Array;
  readonly #value: Uint32Array;

  constructor(size: number) {
    this.size = size;
    this.#round = new Uint16Array(size);
    this.#value = new Uint32Array(size);
  }

  /** Writes the sketch of a set of hashes, 16 bits of each value, to `target` from `at` on. */
  sketch(hashes: Uint32Array, target: Uint16Array, at: number): void {
    const { size } = this;
    const round = this.#round.fill(0xffff);
    const value = this.#value.fill(0xffffffff);
    const perBin = size / 2 ** 32;
    let empty = size;
    for (let r = 0; empty > 0 && r < size; r++) {
      const salt = mix(r + 1);
      for (const hash of hashes) {
        // The upper bits of the hash choose the bin, the whole is the value: within a bin it is still uniform.
        const drawn = mix(hash ^ salt);
        const bin = (drawn * perBin) | 0;
        const held = round[bin] ?? 0;
        if (held === 0xffff) {
          empty--;
          round[bin] = r;
          value[bin] = drawn;
        } else if (held === r && drawn < (value[bin] ?? 0)) value[bin] = drawn;
      }
    }
    for (let bin = 0; empty > 0 && bin < size; bin++) {
      if (round[bin] !== 0xffff) continue;
      const salt = mix(size + bin + 1);
      for (const hash of hashes) {
        const drawn = mix(hash ^ salt);
        if (drawn < (value[bin] ?? 0)) value[bin] = drawn;
      }
      round[bin] = size;
      empty--;
    }
    // Two sets that fill a bin in different rounds differ there: the round is part of the value.
    for (let bin = 0; bin < size; bin++)
      target[at + bin] = mix((value[bin] ?? 0) + (round[bin] ?? 0)) & 0xffff;
  }
}

/** The share of values that two sketches have in common: an estimate of Jaccard's similarity. */
export function similarity(
  sketches: Uint16Array,
  { a, b, size }: { a: number; b: number; size: number },
): number {
  let equal = 0;
  for (let i = 0; i < size; i++) if (sketches[a * size + i] === sketches[b * size + i]) equal++;
  return equal / size;
}
