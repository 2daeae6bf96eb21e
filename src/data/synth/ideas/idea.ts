/** What a small function is asked to do: said in several ways, solved once, and solved once more to check the solution. */

/** What an argument can be; `inputs.ts` draws values of each. */
export type ArgumentKind =
  | "string"
  | "sentence"
  | "letter"
  | "word"
  | "integer"
  | "natural"
  | "positive"
  | "numbers"
  | "someNumbers"
  | "digits"
  | "words"
  | "someWords"
  | "lists"
  | "scores"
  | "someScores"
  | "oneToOne"
  | "pairs";

/**
 * In its texts `$name` stands for an argument or a literal, `<a|b>` for either of two phrases (nestable), `@` at the start for a verb such as
 * "Return" or "Find", and `?` at the start for "Return True if", "Tell whether" and the like.
 */
export interface Idea {
  id: string;
  /** Names that a function of this kind may have. */
  names: readonly string[];
  arguments: Readonly<Record<string, ArgumentKind>>;
  /** Literals: name → the values that it may take, as they stand in code and in the docstring alike. */
  literals?: Readonly<Record<string, readonly string[]>>;
  docs: readonly string[];
  /** Python, indented by nothing: the solution that is taught. */
  body: string;
  /** Python: the same function by another way. Never taught; where both disagree on an input, the exercise is dropped. */
  check: string;
}

/** Builds the rows of a table: names separated by `|`. */
export function idea(
  id: string,
  names: string,
  given: Idea["arguments"],
  docs: readonly string[],
  [body, check]: readonly [string, string],
  literals?: Idea["literals"],
): Idea {
  return {
    ...{ id, names: names.split("|"), arguments: given, docs, body, check },
    ...(literals === undefined ? {} : { literals }),
  };
}

const range = (from: number, to: number): string[] =>
  Array.from({ length: to - from + 1 }, (_, i) => String(from + i));

export const SMALL = range(2, 9);
export const LIMITS = range(0, 12);
export const LETTERS = [..."abcdefghijklmnoprstuvw"];
