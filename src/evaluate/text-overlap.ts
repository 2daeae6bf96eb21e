/** How alike two texts are by the words that they share: BLEU as sacreBLEU has it, ROUGE as Google's rouge-score. */
import { stripEnd } from "./python-text.ts";

const MAX_ORDER = 4;

/**
 * Sentence BLEU in percent against one reference (Papineni et al. 2002), with sacreBLEU's `intl` tokens, exponential
 * smoothing (Chen & Cherry 2014, method 3) and no effective order: an answer of fewer than four tokens gets nothing.
 */
export function bleu(answer: string, reference: string): number {
  const [given, wanted] = [bleuTokens(answer), bleuTokens(reference)];
  if (given.length < MAX_ORDER) return 0;
  let smooth = 1;
  let logSum = 0;
  for (let order = 1; order <= MAX_ORDER; order++) {
    const shared = commonCount(ngrams(given, order), ngrams(wanted, order));
    const total = given.length - order + 1;
    if (order === 1 && shared === 0) return 0; // then nothing longer is shared, either
    if (shared === 0) smooth *= 2;
    logSum += Math.log(shared === 0 ? 100 / (smooth * total) : (100 * shared) / total);
  }
  const brevity = given.length < wanted.length ? Math.exp(1 - wanted.length / given.length) : 1;
  return brevity * Math.exp(logSum / MAX_ORDER);
}

/** mteval-v14's international tokens: punctuation that no digit stands before or after, and symbols, are split off. */
function bleuTokens(text: string): string[] {
  const spaced = stripEnd(text)
    .replace(/(\P{N})(\p{P})/gu, "$1 $2 ")
    .replace(/(\p{P})(\P{N})/gu, " $1 $2")
    .replace(/(\p{S})/gu, " $1 ");
  return words(spaced);
}

/** F-measures in percent: of shared words, of shared pairs of words, and of the longest common subsequences of lines. */
export interface Rouge {
  rouge1: number;
  rouge2: number;
  rougeLsum: number;
}

/** ROUGE (Lin 2004) without stemming. */
export function rouge(answer: string, reference: string): Rouge {
  const [given, wanted] = [rougeTokens(answer), rougeTokens(reference)];
  const byOrder = (order: number): number => {
    const [a, b] = [ngrams(given, order), ngrams(wanted, order)];
    const count = (length: number): number => Math.max(length - order + 1, 0);
    return 100 * fMeasure(commonCount(a, b), count(given.length), count(wanted.length));
  };
  const lines = (text: string): string[][] =>
    text
      .split("\n")
      .filter((line) => line !== "")
      .map(rougeTokens);
  return {
    rouge1: byOrder(1),
    rouge2: byOrder(2),
    rougeLsum: 100 * summaryOverlap(lines(answer), lines(reference)),
  };
}

/** Letters a to z and digits, in small letters; all else separates. */
function rougeTokens(text: string): string[] {
  return text.toLowerCase().match(/[a-z0-9]+/g) ?? [];
}

function fMeasure(shared: number, given: number, wanted: number): number {
  const [precision, recall] = [shared / Math.max(given, 1), shared / Math.max(wanted, 1)];
  return precision + recall > 0 ? (2 * precision * recall) / (precision + recall) : 0;
}

/** Union of the longest common subsequences of each reference line with all lines given (Lin 2004, section 3.2). */
function summaryOverlap(given: readonly string[][], wanted: readonly string[][]): number {
  const [left, right] = [counts(given.flat()), counts(wanted.flat())];
  let hits = 0;
  for (const line of wanted) {
    const found = new Set(given.flatMap((other) => longestCommon(line, other)));
    for (const place of found) {
      // No token counts more often than either side has it.
      const token = line[place] as string;
      const [a = 0, b = 0] = [left.get(token), right.get(token)];
      if (a === 0 || b === 0) continue;
      hits++;
      left.set(token, a - 1);
      right.set(token, b - 1);
    }
  }
  return fMeasure(hits, given.flat().length, wanted.flat().length);
}

/** Places in `a` of one longest common subsequence: of several, the one that rouge-score takes. */
function longestCommon(a: readonly string[], b: readonly string[]): number[] {
  const table = Array.from({ length: a.length + 1 }, () => new Uint32Array(b.length + 1));
  const at = (i: number, j: number): number => table[i]?.[j] ?? 0;
  for (let i = 1; i <= a.length; i++)
    for (let j = 1; j <= b.length; j++)
      (table[i] as Uint32Array)[j] =
        a[i - 1] === b[j - 1] ? at(i - 1, j - 1) + 1 : Math.max(at(i - 1, j), at(i, j - 1));
  const places: number[] = [];
  for (let i = a.length, j = b.length; i > 0 && j > 0;) {
    if (a[i - 1] === b[j - 1]) {
      places.push(i - 1);
      i--;
      j--;
    } else if (at(i, j - 1) > at(i - 1, j)) j--;
    else i--;
  }
  return places;
}

function words(text: string): string[] {
  return text.split(/\s+/).filter((word) => word !== "");
}

function ngrams(tokens: readonly string[], order: number): Map<string, number> {
  const count = Math.max(tokens.length - order + 1, 0);
  return counts(Array.from({ length: count }, (_, i) => tokens.slice(i, i + order).join(" ")));
}

function counts(items: readonly string[]): Map<string, number> {
  const found = new Map<string, number>();
  for (const item of items) found.set(item, (found.get(item) ?? 0) + 1);
  return found;
}

function commonCount(a: ReadonlyMap<string, number>, b: ReadonlyMap<string, number>): number {
  let shared = 0;
  for (const [item, count] of a) shared += Math.min(count, b.get(item) ?? 0);
  return shared;
}
