/** Near duplicates that were planted in real text, and what the sketches estimate. */
import { readFileSync } from "node:fs";
import path from "node:path";
import { gunzipSync } from "node:zlib";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { PACKAGE_ROOT } from "../../base/package.ts";
import { Random } from "../../base/random.ts";
import { clusterDuplicates } from "./cluster.ts";
import { shingleHashes, wordHashes } from "./shingles.ts";
import { similarity, Sketcher } from "./sketch.ts";
import { dedupOptions } from "./stage.ts";
import type { Surveyed } from "./survey.ts";

const { ngram, bands, rows, threshold } = dedupOptions.parse({});
const SIZE = bands * rows;

/** Python's documentation (PSF licence), from the fixture of the rules. */
const { rows: documents } = JSON.parse(
  gunzipSync(
    readFileSync(path.join(PACKAGE_ROOT, "test/fixtures/data/datatrove-rules.json.gz")),
  ).toString(),
) as { rows: { text: string }[] };

function sets(texts: readonly string[]): Set<number>[] {
  return texts.map((text) => new Set(shingleHashes(text, ngram)));
}

function jaccard(a: ReadonlySet<number>, b: ReadonlySet<number>): number {
  let shared = 0;
  for (const value of a) if (b.has(value)) shared++;
  return shared / (a.size + b.size - shared);
}

function survey(texts: readonly string[], ids = texts.map((_, i) => i)): Surveyed {
  const sketcher = new Sketcher(SIZE);
  const sketches = new Uint16Array(texts.length * SIZE);
  for (const [i, text] of texts.entries())
    sketcher.sketch(shingleHashes(text, ngram), sketches, i * SIZE);
  const kinds = [...new Set(texts)];
  return {
    ...{ count: texts.length, size: SIZE, sketches },
    ids: BigUint64Array.from(ids, BigInt),
    texts: BigUint64Array.from(texts.flatMap((text) => [BigInt(kinds.indexOf(text)), 0n])),
    lengths: Uint32Array.from(texts, (text) => text.length),
  };
}

/** Replaces, leaves out or adds words; each word with probability `rate`. */
function edited(
  text: string,
  { rate, random, words }: { rate: number; random: Random; words: readonly string[] },
): string {
  const other = (): string => words[random.integer(words.length)] ?? "";
  return text
    .split(/(?<=\s)/)
    .map((word) => {
      if (random.uniform() >= rate) return word;
      return [`${other()} `, "", `${word}${other()} `][random.integer(3)] ?? "";
    })
    .join("");
}

describe("planted duplicates", () => {
  // Pages of documentation repeat each other; what is no duplicate is told by exact sets, not by sketches.
  const pages = documents.map(({ text }) => text).filter((text) => wordHashes(text).length >= 60);
  const kept: { text: string; set: Set<number> }[] = [];
  for (const [i, set] of sets(pages).entries())
    if (kept.every((other) => jaccard(other.set, set) < 0.1))
      kept.push({ text: pages[i] ?? "", set });
  const base = kept.map(({ text }) => text);
  const words = [...new Set(base.flatMap((text) => text.split(/\s+/)))];
  const random = new Random(11);
  const copies = base.flatMap((text, source) =>
    Array.from({ length: 4 }, () => ({
      source,
      text: edited(text, { rate: 0.2 * random.uniform(), random, words }),
    })),
  );
  const all = [...base, ...copies.map(({ text }) => text)];
  const sources = [...base.keys(), ...copies.map(({ source }) => source)];

  test("with 0 to 20 % of their words edited are found, and hardly anything else is", () => {
    expect(base.length).toBeGreaterThan(60);
    const { keeper, cut } = clusterDuplicates(survey(all), { bands, rows, threshold });
    let [pairs, found, right] = [0, 0, 0];
    for (let a = 0; a < all.length; a++)
      for (let b = a + 1; b < all.length; b++) {
        const isPair = sources[a] === sources[b];
        const isFound = keeper[a] === keeper[b];
        if (isPair) pairs++;
        if (isFound) found++;
        if (isPair && isFound) right++;
      }
    expect(right / pairs).toBeGreaterThanOrEqual(0.95);
    expect(right / found).toBeGreaterThanOrEqual(0.99);
    expect(cut).toBe(0);
  });

  test("are the same in any order, and the longest of them stays", () => {
    const order = new Random(5).permutation(all.length);
    const shuffled = [...order].map((i) => all[i] ?? "");
    const keepers = (texts: readonly string[]): string[] =>
      [...clusterDuplicates(survey(texts), { bands, rows, threshold }).keeper]
        .map((kept, i) => `${texts[i]} → ${texts[kept]?.length}`)
        .sort();
    expect(keepers(shuffled)).toEqual(keepers(all));
    const { keeper } = clusterDuplicates(survey(all), { bands, rows, threshold });
    for (const [i, kept] of keeper.entries())
      expect(all[kept]?.length).toBeGreaterThanOrEqual(all[i]?.length ?? 0);
  });
});

describe("sketches", () => {
  test("estimate how much of two sets is shared, without bias", () => {
    const random = new Random(2);
    const sketcher = new Sketcher(SIZE);
    for (const [size, shared] of [
      [20, 10],
      [100, 90],
      [500, 250],
      [3000, 300],
    ] as const) {
      const expected = shared / (2 * size - shared);
      let sum = 0;
      const times = 60;
      for (let t = 0; t < times; t++) {
        const values = Uint32Array.from({ length: 2 * size - shared }, () => random.uint32());
        const sketches = new Uint16Array(2 * SIZE);
        sketcher.sketch(values.slice(0, size), sketches, 0);
        sketcher.sketch(values.slice(size - shared), sketches, SIZE);
        sum += similarity(sketches, { a: 0, b: 1, size: SIZE });
      }
      // Four standard errors of the mean of t independent draws.
      const error = Math.sqrt((expected * (1 - expected)) / (SIZE * times));
      expect(Math.abs(sum / times - expected)).toBeLessThan(4 * error + 0.002);
    }
  });

  test("do not depend on the order or the number of times of words", () => {
    const sketcher = new Sketcher(SIZE);
    const of = (hashes: readonly number[]): number[] => {
      const sketch = new Uint16Array(SIZE);
      sketcher.sketch(Uint32Array.from(hashes), sketch, 0);
      return [...sketch];
    };
    fc.assert(
      fc.property(fc.uniqueArray(fc.nat(), { minLength: 1, maxLength: 50 }), (hashes) => {
        expect(of([...hashes, ...hashes].reverse())).toEqual(of(hashes));
      }),
      { numRuns: 50 },
    );
  });
});

test("words do not depend on case, punctuation or layout; scripts without spaces have words too", () => {
  expect(wordHashes("The  quick-brown\nFox.")).toEqual(wordHashes("the quick brown fox"));
  expect(wordHashes("naïve café")).toHaveLength(2);
  expect(wordHashes("孩子们在雨中")).toHaveLength(6);
  expect(wordHashes(" \n… ")).toHaveLength(0);
  expect(shingleHashes("", 3)).toHaveLength(1);
  expect(shingleHashes("one two", 3)).toHaveLength(1);
  expect(shingleHashes("one two three four", 3)).toHaveLength(2);
});
