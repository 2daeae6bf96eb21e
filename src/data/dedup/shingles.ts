/**
 * A text as the set of its word n-grams, as 32-bit hashes: what near duplicates are told by. Words are runs of letters and
 * digits without regard to case, so that layout and punctuation make no difference; each other character that is no white
 * space and not ASCII punctuation is a word, as scripts without spaces need it.
 */

const SEED = 0x811c9dc5;
const PRIME = 0x01000193;

/** Hashes of the n-grams of the words of a text, doubles included. Of a text of fewer words: one, of them all. */
export function shingleHashes(text: string, n: number): Uint32Array {
  const words = wordHashes(text);
  if (words.length <= n) return Uint32Array.of(combine(words, { from: 0, to: words.length }));
  const hashes = new Uint32Array(words.length - n + 1);
  for (let i = 0; i < hashes.length; i++) hashes[i] = combine(words, { from: i, to: i + n });
  return hashes;
}

/** One hash for each word (FNV-1a over UTF-16, finished by murmur3's mixer). */
export function wordHashes(text: string): Uint32Array {
  let hashes = new Uint32Array(Math.max(16, text.length >> 2));
  let count = 0;
  let hash = SEED;
  let inWord = false;
  const add = (word: number): void => {
    if (count === hashes.length) {
      const longer = new Uint32Array(2 * count);
      longer.set(hashes);
      hashes = longer;
    }
    hashes[count++] = mix(word);
  };
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit < 128) {
      const folded = FOLDED[unit] ?? 0;
      if (folded !== 0) {
        hash = Math.imul(hash ^ folded, PRIME);
        inWord = true;
        continue;
      }
    } else if (!isWide(unit)) {
      hash = Math.imul(hash ^ unit, PRIME);
      inWord = true;
      continue;
    }
    if (inWord) add(hash);
    if (unit >= 0x3000) add(Math.imul(SEED ^ unit, PRIME));
    hash = SEED;
    inWord = false;
  }
  if (inWord) add(hash);
  return hashes.subarray(0, count);
}

/** Where the words of `wordHashes` stand: from a character to the one after the last. */
export function wordRanges(text: string): [from: number, to: number][] {
  const ranges: [number, number][] = [];
  let start = -1;
  for (let i = 0; i <= text.length; i++) {
    const unit = i < text.length ? text.charCodeAt(i) : 0;
    const isLetter = unit < 128 ? (FOLDED[unit] ?? 0) !== 0 : !isWide(unit);
    if (isLetter && start < 0) start = i;
    if (isLetter) continue;
    if (start >= 0) ranges.push([start, i]);
    if (unit >= 0x3000) ranges.push([i, i + 1]);
    start = -1;
  }
  return ranges;
}

/** Of ASCII letters and digits the small form, of all other ASCII 0. */
const FOLDED = Uint8Array.from({ length: 128 }, (_, unit) =>
  /[a-z0-9]/i.test(String.fromCharCode(unit)) ? unit | (unit >= 65 ? 32 : 0) : 0,
);

/** Spaces and punctuation beyond ASCII, and scripts that are written without spaces (from U+3000 to U+D7FF). */
function isWide(unit: number): boolean {
  return (
    unit === 0xa0 ||
    (unit >= 0x2000 && unit <= 0x206f) ||
    (unit >= 0x3000 && unit <= 0xd7ff) ||
    unit >= 0xfe00
  );
}

function combine(words: Uint32Array, { from, to }: { from: number; to: number }): number {
  let hash = SEED;
  for (let i = from; i < to; i++) hash = Math.imul(hash ^ (words[i] ?? 0), 0x85ebca6b) + 0x9e3779b9;
  return mix(hash);
}

/** The last step of MurmurHash3: every bit of the input changes every bit of the output. */
export function mix(value: number): number {
  let hash = value ^ (value >>> 16);
  hash = Math.imul(hash, 0x85ebca6b);
  hash ^= hash >>> 13;
  hash = Math.imul(hash, 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
