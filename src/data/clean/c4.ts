/**
 * The rules of C4 (Raffel et al., JMLR 21, 2020), line by line and then by document, and FineWeb's additions (Penedo et
 * al., arXiv 2406.17557), under datatrove's names.
 */
import { duplicates } from "./gopher.ts";
import { lengthOf, splitLines, strip } from "./lines.ts";
import { countSentences } from "./words.ts";

export interface C4Options {
  minNumSentences: number;
  minWordsPerLine: number;
  maxWordLength: number;
}

export const C4: C4Options = { minNumSentences: 5, minWordsPerLine: 3, maxWordLength: 1000 };

const CITATION = /\[\d*\]|\[edit\]|\[citation needed\]/g;
const POLICY = /terms of use|privacy policy|cookie policy|uses cookies|use of cookies|use cookies/;

export interface C4Verdict {
  /** The rule that the document breaks. */
  rule?: string;
  /** What is left of the text where it breaks none. */
  text: string;
  /** Lines taken out, by rule. */
  lines: Record<string, number>;
}

/** Takes lines out, and says what rule the whole breaks. */
export function c4(text: string, options: C4Options = C4): C4Verdict {
  const lines: Record<string, number> = {};
  const kept: string[] = [];
  let sentences = 0;
  const drop = (rule: string): void => {
    lines[rule] = (lines[rule] ?? 0) + 1;
  };
  for (const whole of splitLines(text)) {
    const stripped = strip(whole);
    const words = stripped === "" ? [] : stripped.split(/[\s\x1c-\x1f\x85]+/);
    if (words.some((word) => lengthOf(word) > options.maxWordLength)) {
      drop("too_long_word");
      continue;
    }
    const line = stripped.replace(CITATION, "");
    if (!/[.?!"']$/.test(line) || line.endsWith("...")) {
      drop("no_terminal_punc");
      continue;
    }
    if (words.length < options.minWordsPerLine) {
      drop("too_few_words");
      continue;
    }
    const lower = line.toLowerCase();
    if (lower.includes("lorem ipsum")) return { rule: "lorem_ipsum", text, lines };
    if (lower.includes("javascript")) {
      drop("javascript");
      continue;
    }
    if (line.includes("{")) return { rule: "curly_bracket", text, lines };
    if (POLICY.test(lower)) {
      drop("policy");
      continue;
    }
    // Only whether there are enough matters: sentences are counted until there are.
    if (sentences < options.minNumSentences) sentences += countSentences(line);
    kept.push(line);
  }
  if (sentences < options.minNumSentences) return { rule: "too_few_sentences", text, lines };
  return { text: strip(kept.join("\n")), lines };
}

export interface FineWebOptions {
  linePunctThr: number;
  shortLineThr: number;
  shortLineLength: number;
  charDuplicatesRatio: number;
  newLineRatio: number;
}

export const FINEWEB: FineWebOptions = {
  linePunctThr: 0.12,
  shortLineThr: 0.67,
  shortLineLength: 30,
  charDuplicatesRatio: 0.01,
  newLineRatio: 0.3,
};

/** The full stops of all scripts: the `Sentence_Terminal` property, as datatrove lists it. */
const TERMINAL =
  /[!.?։؝-؟۔܀-܂߹࠷࠹࠽࠾।॥၊။።፧፨᙮᜵᜶។៕៚᠃᠉᥄᥅᪨-᪫᭚᭛᭞᭟᭽᭾᰻᰼᱾᱿‼‽⁇-⁉⳹-⳻⸮⸼⹓⹔。꓿꘎꘏꛳꛷꡶꡷꣎꣏꤯꧈꧉꩝-꩟꫰꫱꯫﹒﹖﹗！．？｡]$/u;

/** The rule that a text breaks, or undefined. */
export function fineWeb(
  text: string,
  words: readonly string[],
  options: FineWebOptions = FINEWEB,
): string | undefined {
  const lines = text.split("\n").filter((line) => strip(line) !== "");
  if (lines.length === 0) return "empty";
  const share = (fits: (line: string) => boolean): number =>
    lines.filter(fits).length / lines.length;
  if (share((line) => TERMINAL.test(line)) < options.linePunctThr) return "line_punct_ratio";
  if (share((line) => lengthOf(line) <= options.shortLineLength) > options.shortLineThr)
    return "short_line_ratio";
  const newLines = text.split("\n").length - 1;
  const ratio = duplicates(lines).characters / (lengthOf(text) - newLines);
  if (ratio > options.charDuplicatesRatio) return "char_dup_ratio";
  if (newLines / words.length > options.newLineRatio) return "list_ratio";
  return undefined;
}
