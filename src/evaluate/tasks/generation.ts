/** Tasks whose answer is a text: what is taken from it, and what it is compared with. */
import { strip } from "../python-text.ts";
import type { Item, Response, Scores } from "../task.ts";

/** Takes an answer out of a text. */
export interface Filter {
  name: string;
  /** Python's `re.findall`, in JavaScript's syntax; the flag `g` is needed. */
  pattern: RegExp;
  /** Which match: the first, or the last. */
  take: "first" | "last";
}

/** What a filter gives where nothing matches. */
const NOTHING = "[invalid]";

function applyFilter({ pattern, take }: Filter, text: string): string {
  const match = [...text.matchAll(pattern)].at(take === "first" ? 0 : -1);
  if (match === undefined) return NOTHING;
  const groups = match.slice(1) as (string | undefined)[];
  const found = groups.length === 0 ? match[0] : groups.find((group) => group); // the first that holds something
  if (found !== undefined) return strip(found);
  // With one group Python's findall gives it as a text, be it empty; with several, none of which holds anything, no answer.
  return groups.length === 1 ? "" : NOTHING;
}

export interface ExactMatch {
  text: string;
  /** What a solved example shows. */
  answer: string;
  delimiter?: string;
  until: readonly string[];
  maxTokens?: number;
  filters: readonly Filter[];
  /** What is left out of both sides before they are compared, in turn. */
  ignore?: readonly RegExp[];
  ignoreCase?: boolean;
  /** What the answer is compared with, where it is not the whole `answer`. */
  target?: string;
}

/** lm-evaluation-harness' default of `max_gen_toks`. */
export const DEFAULT_MAX_TOKENS = 256;

export function exactMatch(question: ExactMatch): Item {
  const {
    text,
    answer,
    delimiter = " ",
    until,
    filters,
    ignore = [],
    ignoreCase = false,
  } = question;
  const { target = answer, maxTokens = DEFAULT_MAX_TOKENS } = question;
  const plain = (given: string): string => {
    const left = ignore.reduce((rest, pattern) => rest.replace(pattern, ""), given);
    return ignoreCase ? left.toLowerCase() : left;
  };
  const filtered = (responses: readonly Response[]): Record<string, string> =>
    Object.fromEntries(
      filters.map((filter) => [filter.name, applyFilter(filter, textOf(responses))]),
    );
  return {
    example: text + (answer === "" ? "" : delimiter) + answer,
    target,
    requests: (before) => [{ type: "generate_until", context: before + text, until, maxTokens }],
    filtered,
    score: (responses): Scores =>
      Object.fromEntries(
        Object.entries(filtered(responses)).map(([name, found]) => [
          `exact_match,${name}`,
          Number(plain(found) === plain(target)),
        ]),
      ),
  };
}

export function textOf([response]: readonly Response[]): string {
  return response !== undefined && "text" in response ? response.text : "";
}
