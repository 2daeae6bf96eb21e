/** Arguments for generated functions, as Python writes them. */
import type { Random } from "../../base/random.ts";
import type { ArgumentKind } from "./ideas/idea.ts";

const WORDS =
  "cat dog sun moon tree river stone apple bird green little house a to of sky red book water garden noon level pop wow lamp winter".split(
    " ",
  );
const LETTERS = "aeioubcdghrst";

const repeat = <T>(count: number, draw: () => T): T[] => Array.from({ length: count }, draw);
const list = (items: readonly string[]): string => `[${items.join(", ")}]`;
const quoted = (text: string): string => `'${text}'`;

/** A value of a kind, as Python source. */
export function drawArgument(kind: ArgumentKind, random: Random): string {
  const below = (count: number): number => random.integer(count);
  const integer = (): string => String(below(30) - 9);
  const letter = (): string => LETTERS[below(LETTERS.length)]!;
  const word = (): string => WORDS[below(WORDS.length)]!;
  const scores = (count: number): string => {
    const keys = [..."abcdefg"].slice(0, count);
    return `{${keys.map((key) => `'${key}': ${below(12)}`).join(", ")}}`;
  };
  switch (kind) {
    case "string":
      return quoted(repeat(below(10), () => (below(6) === 0 ? " " : letter())).join(""));
    case "sentence":
      return quoted(repeat(1 + below(6), word).join(" "));
    case "word":
      return quoted(below(2) === 0 ? word() : repeat(1 + below(4), letter).join(""));
    case "letter":
      return quoted(letter());
    case "integer":
      return integer();
    case "natural":
      return String(below(13));
    case "positive":
      return String(1 + below(30));
    case "numbers":
      return list(repeat(below(8), integer));
    case "someNumbers":
      return list(repeat(1 + below(7), integer));
    case "digits":
      return list(repeat(1 + below(6), () => String(below(10))));
    case "words":
      return list(repeat(below(5), () => quoted(word())));
    case "someWords":
      return list(repeat(1 + below(5), () => quoted(word())));
    case "lists":
      return list(repeat(below(4), () => list(repeat(below(4), integer))));
    case "scores":
      return scores(below(5));
    case "someScores":
      return scores(1 + below(4));
    case "oneToOne": {
      const values = [...random.permutation(9)].slice(0, below(5));
      return `{${values.map((value, i) => `'${"abcdefg"[i]!}': ${value}`).join(", ")}}`;
    }
    case "pairs": {
      const values = [...random.permutation(9)].slice(0, below(5));
      return list(values.map((value, i) => `('${"abcdefg"[i]!}', ${value})`));
    }
  }
}
