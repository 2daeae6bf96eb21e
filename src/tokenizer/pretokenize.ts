/**
 * How text is cut before the byte pair encoding: first at the added tokens (`<|endoftext|>`, Phi's
 * runs of spaces and tabs), then into words, spaces and punctuation.
 */

/**
 * GPT-2's rule: contractions, words, numbers, other signs, each with one space in front if there is one,
 * and runs of white space less the space that goes with the next word.
 * White space is Unicode's White_Space, as in Hugging Face's tokenizers. JavaScript's `\s` is another set: it
 * has U+FEFF and lacks U+0085.
 */
const WORDS =
  /'(?:[stmd]|re|ve|ll)| ?\p{L}+| ?\p{N}+| ?[^\p{White_Space}\p{L}\p{N}]+|\p{White_Space}+(?!\P{White_Space})|\p{White_Space}+/gu;

/** Calls `onWord` with the pieces of a text in order; together they are the whole text. */
export function eachWord(text: string, onWord: (word: string) => void): void {
  let start = 0;
  WORDS.lastIndex = 0;
  while (WORDS.test(text)) {
    const end = WORDS.lastIndex;
    onWord(text.slice(start, end));
    start = end;
    WORDS.lastIndex = end; // `onWord` is free to cut other texts
  }
}

/** Finds added tokens in a text, leftmost first and of those the longest. */
export class AddedTokenSplitter {
  readonly #ids: ReadonlyMap<string, number>;
  readonly #pattern: RegExp | undefined;

  constructor(ids: ReadonlyMap<string, number>) {
    this.#ids = ids;
    const contents = [...ids.keys()].sort((a, b) => b.length - a.length);
    if (contents.length > 0) this.#pattern = new RegExp(contents.map(escape).join("|"), "gu");
  }

  /** Calls `onText` and `onToken` with the stretches of a text in order. */
  split(text: string, onText: (text: string) => void, onToken: (id: number) => void): void {
    let start = 0;
    for (const match of this.#pattern === undefined ? [] : text.matchAll(this.#pattern)) {
      if (match.index > start) onText(text.slice(start, match.index));
      onToken(this.#ids.get(match[0])!);
      start = match.index + match[0].length;
    }
    if (start < text.length) onText(start === 0 ? text : text.slice(start));
  }
}

function escape(literal: string): string {
  return literal.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&");
}
