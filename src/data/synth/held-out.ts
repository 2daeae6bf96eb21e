/** Keeping a benchmark's tasks out of generated text. */

/** Words that overlap at this length count as the same text (Brown et al. 2020, GPT-3, appendix C). */
export const OVERLAP_WORDS = 13;

/** Words and numbers, in lower case. */
export function wordsOf(text: string): string[] {
  return text.toLowerCase().match(/[\p{L}\p{N}_]+/gu) ?? [];
}

const OPENING =
  /^(return|find|compute|give|get|work out|calculate|determine|count|say|tell|check|decide|test)( (true|whether|if|when|exactly when))*\b/;

/** What a docstring asks for, whatever its verb and its numbers are; without its doctest. */
export function gist(docstring: string): string {
  const [sentence = ""] = docstring.trim().split(/\n\s*\n/);
  return wordsOf(sentence).join(" ").replace(OPENING, "").replace(/\d+/g, "0").trim();
}

export interface HeldOutTask {
  prompt: string;
}

/** The texts that must not occur, and how to find them. */
export class HeldOut {
  readonly #gists = new Set<string>();
  /** By their first two words. */
  readonly #grams = new Map<string, string[][]>();
  readonly #prompts: string[] = [];

  /** @param tasks - a prompt with a docstring stands for that docstring; any other for its own text */
  constructor(tasks: readonly HeldOutTask[]) {
    for (const { prompt } of tasks) {
      const docstring = /"""([^]*?)"""/.exec(prompt)?.[1];
      if (docstring === undefined) {
        this.#prompts.push(prompt);
        continue;
      }
      this.#gists.add(gist(docstring));
      const words = wordsOf(docstring);
      const length = Math.min(words.length, OVERLAP_WORDS);
      for (let at = 0; at + length <= words.length; at++) {
        const gram = words.slice(at, at + length);
        const start = gram.slice(0, 2).join(" ");
        this.#grams.set(start, [...(this.#grams.get(start) ?? []), gram]);
      }
    }
  }

  /** Whether a docstring asks for what a task asks for, in the same words. */
  asks(docstring: string): boolean {
    return this.#gists.has(gist(docstring));
  }

  /** Whether a text holds a task's prompt, or 13 words of its docstring in a row (the whole of a shorter one). */
  occursIn(text: string): boolean {
    if (this.#prompts.some((prompt) => text.includes(prompt))) return true;
    const words = wordsOf(text);
    return words.some((word, at) =>
      this.#grams
        .get(`${word} ${words[at + 1] ?? ""}`)
        ?.some((gram) => gram.every((expected, i) => words[at + i] === expected)),
    );
  }
}
