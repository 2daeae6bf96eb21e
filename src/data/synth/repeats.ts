/** Texts that repeat themselves: what came after a word before comes after it again (Olsson et al. 2022). */
import type { Random } from "../../base/random.ts";
import { NAMES, PLACES, THINGS } from "./people.ts";
import { chance, pick, pickSome } from "./phrases.ts";

const WORDS = [
  ...THINGS,
  ...PLACES,
  ...NAMES,
  ..."red blue green list value string number return key word sun moon tree stone bird time name text index sum count first last left right up down one two three open close read write even odd long short old new".split(
    " ",
  ),
  ..."( ) [ ] = + - : . , x y i if in for def None True False self not and or is 0 1 2 3".split(
    " ",
  ),
];
/** Words that can be names in Python. */
const PLAIN = WORDS.filter(
  (word) => /^[a-z]{2,}$/.test(word) && !/^(if|in|for|def|not|and|or|is|return)$/.test(word),
);
const SYLLABLES =
  "ba be bi bo da de di do ka ke ki ko la le li lo ma me mi mo na ne ni no ra re ri ro sa se si so ta te ti to".split(
    " ",
  );

/** A list of words or made-up words, said two or three times. */
export function drawRepeats(random: Random): string {
  const count = 3 + random.integer(12);
  const invented = (): string =>
    Array.from({ length: 1 + random.integer(3) }, () => pick(random, SYLLABLES)).join("");
  const words = chance(random, 0.7)
    ? pickSome(random, WORDS, count)
    : Array.from({ length: count }, () =>
        chance(random, 0.3) ? String(random.integer(100)) : invented(),
      );
  const between = pick(random, [" ", " ", " ", ", ", "\n"]);
  const times = count < 8 ? 3 : 2;
  return Array.from({ length: times }, () => words.join(between)).join(between);
}

/** A table of keys and values, and questions for some of them. */
export function drawLookUps(random: Random): string {
  const keys = pickSome(random, [...NAMES, ...THINGS], 3 + random.integer(4));
  const values = keys.map(() =>
    chance(random, 0.5) ? String(random.integer(100)) : pick(random, WORDS),
  );
  const table = keys.map((key, i) => `${key}: ${values[i]!}`);
  const asked = pickSome(random, table, 2 + random.integer(2));
  return [...table, "", ...asked].join("\n");
}

/** A function whose docstring has a line for each parameter, in their order (Heimersheim and Janiak 2023). */
export function drawParameters(random: Random): string {
  const words = pickSome(random, PLAIN, 15);
  const names = words.slice(0, 3 + random.integer(2));
  const said = words.slice(5);
  const lines = names.map((name, i) => `    :param ${name}: ${said[2 * i]!} ${said[2 * i + 1]!}`);
  return `def ${words[4]!}(self, ${names.join(", ")}):\n    """${said.slice(8).join(" ")}\n\n${lines.join("\n")}\n    """`;
}
