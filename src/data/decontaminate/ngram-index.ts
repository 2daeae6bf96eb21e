/** Runs of words that documents share with benchmark items, found by hash and then compared word by word. */
import { mix, wordHashes } from "../dedup/shingles.ts";
import type { BenchmarkItem } from "./benchmark.ts";

export interface Overlap {
  item: number;
  /** The share of the item's runs that the document has. */
  share: number;
}

/** Items of fewer words are not looked for: any document may hold them by chance. */
const LEAST_WORDS = 6;

export class NgramIndex {
  /** n: words of a run. Shorter items are looked for as a whole. */
  readonly n: number;
  /** Items with too few words to be looked for. */
  readonly tooShort: number;
  readonly #words: readonly Uint32Array[];
  /** For each length of a run: hash → places in items. */
  readonly #runs = new Map<number, Map<number, { item: number; at: number }[]>>();

  constructor(items: readonly BenchmarkItem[], n: number) {
    this.n = n;
    this.#words = items.map(({ text }) => wordHashes(text));
    let tooShort = 0;
    for (const [item, words] of this.#words.entries()) {
      if (words.length < LEAST_WORDS) {
        tooShort++;
        continue;
      }
      const length = Math.min(n, words.length);
      const runs = this.#runs.get(length) ?? new Map<number, { item: number; at: number }[]>();
      this.#runs.set(length, runs);
      for (let at = 0; at + length <= words.length; at++) {
        const hash = hashRun(words, at, length);
        const places = runs.get(hash);
        if (places === undefined) runs.set(hash, [{ item, at }]);
        else places.push({ item, at });
      }
    }
    this.tooShort = tooShort;
  }

  /** Items that share a run with a text, in their order. */
  overlaps(text: string): Overlap[] {
    const words = wordHashes(text);
    const found = new Map<number, Set<number>>();
    for (const [length, runs] of this.#runs)
      for (let at = 0; at + length <= words.length; at++)
        for (const place of runs.get(hashRun(words, at, length)) ?? []) {
          if (!sameRun({ words, at }, { words: this.#words[place.item], at: place.at }, length))
            continue;
          const places = found.get(place.item) ?? new Set();
          found.set(place.item, places.add(place.at));
        }
    return [...found]
      .map(([item, places]) => {
        const words = this.#words[item]?.length ?? 0;
        return { item, share: places.size / (words - Math.min(this.n, words) + 1) };
      })
      .sort((a, b) => a.item - b.item);
  }
}

function hashRun(words: Uint32Array, at: number, length: number): number {
  let hash = length;
  for (let i = at; i < at + length; i++)
    hash = (Math.imul(hash, 0x01000193) ^ (words[i] ?? 0)) + 0x9e3779b9;
  return mix(hash);
}

interface Place {
  words: Uint32Array | undefined;
  at: number;
}

function sameRun(a: Place, b: Place, length: number): boolean {
  for (let i = 0; i < length; i++) if (a.words?.[a.at + i] !== b.words?.[b.at + i]) return false;
  return true;
}
