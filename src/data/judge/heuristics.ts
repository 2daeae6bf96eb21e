/**
 * What rules of thumb look at, as numbers: the counts of Gopher's and C4's filters (Rae et al. 2021, table A1; Raffel et
 * al. 2020, §2.2) without their thresholds. A classifier on them is the baseline that one on embeddings has to beat.
 */

const STOP_WORDS = new Set(["the", "be", "to", "of", "and", "that", "have", "with"]);

/** The numbers of a text, each finite: shares, means and logarithms. */
export function heuristicFeatures(text: string): number[] {
  const words = text.match(/\S+/g) ?? [];
  const lines = text.split("\n").filter((line) => line.trim() !== "");
  const share = (part: number, whole: number): number => (whole === 0 ? 0 : part / whole);
  const shareOf = <T>(list: readonly T[], holds: (one: T) => boolean): number =>
    share(list.filter(holds).length, list.length);
  const characters = (pattern: RegExp): number =>
    share(text.match(pattern)?.length ?? 0, text.length);
  const lengths = lines.map((line) => line.length);
  return [
    Math.log1p(words.length),
    share(
      words.reduce((sum, word) => sum + word.length, 0),
      words.length,
    ),
    Math.log1p(lengths.reduce((most, length) => Math.max(most, length), 0)),
    share(
      lengths.reduce((sum, length) => sum + length, 0),
      lengths.length,
    ),
    characters(/\p{L}/gu),
    characters(/\p{N}/gu),
    characters(/\p{Lu}/gu),
    characters(/[^\p{L}\p{N}\s]/gu),
    characters(/#|\.\.\.|…/g),
    shareOf(words, (word) => /\p{L}/u.test(word)),
    shareOf(words, (word) => STOP_WORDS.has(word.toLowerCase())),
    shareOf(lines, (line) => /^\s*[•*-]/.test(line)),
    shareOf(lines, (line) => /(?:\.\.\.|…)$/.test(line)),
    shareOf(lines, (line) => /[.!?"]$/.test(line)),
    share(new Set(words).size, words.length),
    share(new Set(lines).size, lines.length),
  ];
}
