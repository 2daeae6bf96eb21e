/** How alike texts are: measured, since a grammar with many rules can still say few things. */
import { createHash } from "node:crypto";
import { gzipSync } from "node:zlib";
import { LabError } from "../../base/errors.ts";
import { OVERLAP_WORDS, wordsOf } from "./held-out.ts";

export interface TextDiversity {
  documents: number;
  words: number;
  /** Share of documents that are word for word an earlier one. */
  duplicates: number;
  /** Different n-grams among all n-grams, for n from 1 to 4 (Li et al. 2016, arXiv 1510.03055: distinct-n). */
  distinct: readonly number[];
  /** Share of 13-grams that an earlier document has. */
  repeated: number;
  /** Bytes before and after gzip (Shaib et al. 2024, arXiv 2403.00553): the more is repeated, the larger. */
  compression: number;
}

const LONGEST = 4;
const SEPARATOR = " ";

/** Measures texts as one collection. Memory grows with their number of different n-grams: give it a sample of large corpora. */
export function textDiversity(texts: readonly string[]): TextDiversity {
  if (texts.length === 0) throw new LabError("bad_input", "there are no texts to measure");
  const seen = new Set<string>();
  const grams = Array.from({ length: LONGEST }, () => new Set<string>());
  const totals = new Array<number>(LONGEST).fill(0);
  const long = new Set<string>();
  let [words, duplicates, longTotal, longRepeated] = [0, 0, 0, 0];
  for (const text of texts) {
    const hash = createHash("sha1").update(text).digest("base64");
    if (seen.has(hash)) duplicates++;
    seen.add(hash);
    const list = wordsOf(text);
    words += list.length;
    for (let n = 1; n <= LONGEST; n++)
      for (let at = 0; at + n <= list.length; at++) {
        totals[n - 1]!++;
        grams[n - 1]!.add(list.slice(at, at + n).join(SEPARATOR));
      }
    const own: string[] = [];
    for (let at = 0; at + OVERLAP_WORDS <= list.length; at++)
      own.push(list.slice(at, at + OVERLAP_WORDS).join(SEPARATOR));
    longTotal += own.length;
    longRepeated += own.filter((gram) => long.has(gram)).length;
    for (const gram of own) long.add(gram);
  }
  const bytes = Buffer.from(texts.join("\n"));
  return {
    ...{ documents: texts.length, words },
    duplicates: duplicates / texts.length,
    distinct: grams.map((found, i) => (totals[i] === 0 ? 0 : found.size / totals[i]!)),
    repeated: longTotal === 0 ? 0 : longRepeated / longTotal,
    compression: bytes.length / gzipSync(bytes).length,
  };
}

export interface EmbeddingSpread {
  /** Mean cosine distance of two different texts. */
  distance: number;
  /** Mean cosine distance of a text to the one nearest to it. */
  nearest: number;
}

/**
 * How far apart texts lie.
 *
 * @param vectors - one for each text [texts][D]
 * @throws LabError `bad_input` for fewer than two, and for a vector of length 0
 */
export function embeddingSpread(vectors: readonly ArrayLike<number>[]): EmbeddingSpread {
  if (vectors.length < 2)
    throw new LabError("bad_input", `${vectors.length} vectors have no distance from each other`);
  const units = vectors.map((vector, i) => {
    const norm = Math.hypot(...Array.from(vector));
    if (!(norm > 0)) throw new LabError("bad_input", `vector ${i} has the length ${norm}`);
    return Float64Array.from(vector, (value) => value / norm);
  });
  let total = 0;
  let nearestTotal = 0;
  for (const [i, a] of units.entries()) {
    let nearest = Infinity;
    for (const [j, b] of units.entries()) {
      if (i === j) continue;
      const distance = 1 - a.reduce((sum, value, at) => sum + value * b[at]!, 0);
      total += distance;
      nearest = Math.min(nearest, distance);
    }
    nearestTotal += nearest;
  }
  const pairs = units.length * (units.length - 1);
  return { distance: total / pairs, nearest: nearestTotal / units.length };
}
