/**
 * The rules of MassiveText, on quality and on repetition: Rae et al., "Scaling language models: methods, analysis and
 * insights from training Gopher" (arXiv 2112.11446), appendix A and table A1, under datatrove's names and with its
 * readings where the paper leaves one open.
 */
import { countOf, lengthOf, splitLines } from "./lines.ts";

export interface GopherQualityOptions {
  minDocWords: number;
  maxDocWords: number;
  minAvgWordLength: number;
  maxAvgWordLength: number;
  maxSymbolWordRatio: number;
  maxBulletLinesRatio: number;
  maxEllipsisLinesRatio: number;
  maxNonAlphaWordsRatio: number;
  minStopWords: number;
}

export const GOPHER_QUALITY: GopherQualityOptions = {
  minDocWords: 50,
  maxDocWords: 100_000,
  minAvgWordLength: 3,
  maxAvgWordLength: 10,
  maxSymbolWordRatio: 0.1,
  maxBulletLinesRatio: 0.9,
  maxEllipsisLinesRatio: 0.3,
  maxNonAlphaWordsRatio: 0.8,
  minStopWords: 2,
};

const STOP_WORDS = ["the", "be", "to", "of", "and", "that", "have", "with"];
/** Characters of words that are no words: datatrove's list. */
const SYMBOLS_ONLY =
  /^[!/—”:％１〈&(、━\\【#%「」，】；+^\]~“《„';’{|∶´[=\-`*．（–？！：$～«〉,><》)?）。…@_."}►»\x00-\x08\x0b\x0c\x0d-\x1f\x7f-\x9f]*$/;
const HAS_LETTER = /\p{L}/u;

/** The rule that a text breaks, or undefined. `words` as `splitWords` gives them. */
export function gopherQuality(
  text: string,
  words: readonly string[],
  options: GopherQualityOptions = GOPHER_QUALITY,
): string | undefined {
  let realWords = 0;
  let letters = 0;
  let withLetter = 0;
  const stopWords = new Set<string>();
  for (const word of words) {
    // Words that begin with a letter of English are the most, and need no closer look.
    const isPlain = isAsciiLetter(word.charCodeAt(0));
    if (isPlain || HAS_LETTER.test(word)) withLetter++;
    if (isPlain && STOP_WORDS.includes(word)) stopWords.add(word);
    if (!isPlain && SYMBOLS_ONLY.test(word)) continue;
    realWords++;
    letters += lengthOf(word);
  }
  if (realWords < options.minDocWords) return "gopher_short_doc";
  if (realWords > options.maxDocWords) return "gopher_long_doc";
  if (letters / realWords < options.minAvgWordLength) return "gopher_below_avg_threshold";
  if (letters / realWords > options.maxAvgWordLength) return "gopher_above_avg_threshold";
  const symbols = (...kinds: string[]): number =>
    kinds.reduce((sum, kind) => sum + countOf(text, kind), 0) / words.length;
  if (symbols("#") > options.maxSymbolWordRatio) return "gopher_too_many_hashes";
  if (symbols("...", "…") > options.maxSymbolWordRatio) return "gopher_too_many_ellipsis";
  const lines = splitLines(text);
  const share = (pattern: RegExp): number =>
    lines.filter((line) => pattern.test(line)).length / lines.length;
  if (share(/^\s*[•-]/) > options.maxBulletLinesRatio) return "gopher_too_many_bullets";
  if (share(/(?:\.\.\.|…)\s*$/) > options.maxEllipsisLinesRatio)
    return "gopher_too_many_end_ellipsis";
  if (withLetter / words.length < options.maxNonAlphaWordsRatio)
    return "gopher_below_alpha_threshold";
  if (stopWords.size < options.minStopWords) return "gopher_enough_stop_words";
  return undefined;
}

function isAsciiLetter(unit: number): boolean {
  const small = unit | 0x20;
  return small >= 0x61 && small <= 0x7a;
}

export interface GopherRepetitionOptions {
  dupLineFrac: number;
  dupParaFrac: number;
  dupLineCharFrac: number;
  dupParaCharFrac: number;
  /** n, and the share of characters that the commonest n words may have. */
  topNGrams: readonly (readonly [n: number, share: number])[];
  /** n, and the share of characters that repeated n-grams may have. */
  dupNGrams: readonly (readonly [n: number, share: number])[];
}

export const GOPHER_REPETITION: GopherRepetitionOptions = {
  dupLineFrac: 0.3,
  dupParaFrac: 0.3,
  dupLineCharFrac: 0.2,
  dupParaCharFrac: 0.2,
  topNGrams: [
    [2, 0.2],
    [3, 0.18],
    [4, 0.16],
  ],
  dupNGrams: [
    [5, 0.15],
    [6, 0.14],
    [7, 0.13],
    [8, 0.12],
    [9, 0.11],
    [10, 0.1],
  ],
};

/** The rule that a text breaks, or undefined. `words` as `splitWords` gives them. */
export function gopherRepetition(
  text: string,
  words: readonly string[],
  options: GopherRepetitionOptions = GOPHER_REPETITION,
): string | undefined {
  const length = lengthOf(text);
  const paragraphs = duplicates(text.trim().split(/\n{2,}/));
  if (paragraphs.elements > options.dupParaFrac) return "dup_para_frac";
  if (paragraphs.characters / length > options.dupParaCharFrac) return "dup_para_char_frac";
  const lines = duplicates(text.split(/\n+/));
  if (lines.elements > options.dupLineFrac) return "dup_line_frac";
  if (lines.characters / length > options.dupLineCharFrac) return "dup_line_char_frac";
  const lengths = Int32Array.from(words, lengthOf);
  let grams = wordClasses(words);
  const last = Math.max(...[...options.topNGrams, ...options.dupNGrams].map(([n]) => n));
  for (let n = 2; n <= last && words.length >= n; n++) {
    grams = longerClasses(grams, { n, words: words.length });
    for (const [size, share] of options.topNGrams)
      if (size === n && topCharacters(grams, { n, lengths }) / length > share)
        return `top_${n}_gram`;
    for (const [size, share] of options.dupNGrams)
      if (size === n && repeatedCharacters(grams, { n, lengths }) / length > share)
        return `duplicated_${n}_n_grams`;
  }
  return undefined;
}

/** How many of the texts occurred before, as a share, and how long these are together. */
export function duplicates(texts: readonly string[]): { elements: number; characters: number } {
  const seen = new Set<string>();
  let [elements, characters] = [0, 0];
  for (const text of texts) {
    if (seen.has(text)) {
      elements++;
      characters += lengthOf(text);
    } else seen.add(text);
  }
  return { elements: elements / texts.length, characters };
}

/**
 * The n words from each position on, as classes: equal n-grams have equal numbers, and those that occur once have -1. Of a
 * text that does not repeat itself most are -1 from n = 3 on, so longer n-grams cost next to nothing.
 */
interface Grams {
  classes: Int32Array;
  /** Of single words, where all are numbered. */
  ids: Int32Array;
  count: number;
}

function wordClasses(words: readonly string[]): Grams {
  const known = new Map<string, number>();
  const ids = Int32Array.from(words, (word) => {
    const found = known.get(word);
    if (found !== undefined) return found;
    known.set(word, known.size);
    return known.size - 1;
  });
  return { ids, classes: ids, count: known.size };
}

/** From (n - 1)-grams to n-grams: one can only occur twice where both that it holds do. */
function longerClasses(
  { classes, ids, count }: Grams,
  { n, words }: { n: number; words: number },
): Grams {
  const longer = new Int32Array(words - n + 1).fill(-1);
  const first = new Map<number, number>(); // of a pair: its first position, then -1 - its class
  let found = 0;
  const kinds = Math.max(count, ids.length) + 1;
  for (let i = 0; i < longer.length; i++) {
    const [left, right] = [classes[i] ?? -1, classes[i + 1] ?? -1];
    if (left < 0 || right < 0) continue;
    const pair = left * kinds + right;
    const known = first.get(pair);
    if (known === undefined) first.set(pair, i);
    else if (known < 0) longer[i] = -1 - known;
    else {
      longer[known] = found;
      longer[i] = found;
      first.set(pair, -1 - found);
      found++;
    }
  }
  return { classes: longer, ids, count: found };
}

interface GramOptions {
  n: number;
  lengths: Int32Array;
}

/** Characters, spaces between included, of all occurrences of the commonest n words; of two as common, the first. */
function topCharacters({ classes, count }: Grams, { n, lengths }: GramOptions): number {
  const counts = new Int32Array(count);
  for (const gram of classes) if (gram >= 0) counts[gram] = (counts[gram] ?? 0) + 1;
  let [at, best] = [0, 1];
  for (const [i, gram] of classes.entries()) {
    const times = gram < 0 ? 1 : (counts[gram] ?? 1);
    if (times > best) [at, best] = [i, times];
  }
  return (lengthFrom(at, { n, lengths }) + n - 1) * best;
}

/** Characters of n words in a row that occurred before, counted without overlap. */
function repeatedCharacters({ classes, count }: Grams, { n, lengths }: GramOptions): number {
  const seen = new Uint8Array(count);
  let characters = 0;
  for (let i = 0; i < classes.length;) {
    const gram = classes[i] ?? -1;
    if (gram >= 0 && seen[gram] === 1) {
      characters += lengthFrom(i, { n, lengths });
      i += n;
      continue;
    }
    if (gram >= 0) seen[gram] = 1;
    i++;
  }
  return characters;
}

function lengthFrom(at: number, { n, lengths }: GramOptions): number {
  let length = 0;
  for (let i = at; i < at + n; i++) length += lengths[i] ?? 0;
  return length;
}
