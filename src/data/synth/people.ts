/** Sentences in which a name must be found again (Wang et al. 2023, arXiv 2211.00593), and their like. */
import type { Random } from "../../base/random.ts";
import { chance, fill, pick, pickSome } from "./phrases.ts";

export const NAMES =
  "Mary John Tom Anna Ben Kate Sam Lucy Max Emma Paul Sara Dan Ella Jack Rose Mark Alice Bob Ruth Jane Peter Laura Simon Clara Hugo Nina Oscar Eva Leo".split(
    " ",
  );
export const PLACES =
  "store park school garden market library beach station house river church hospital restaurant office museum".split(
    " ",
  );
export const THINGS =
  "book ball cup hat pen bag ring letter cake drink kiss flower card coin bone necklace computer basketball".split(
    " ",
  );

const GIVINGS = [
  "When $a and $b went to the $place, $s gave a $thing to $o.",
  "When $a and $b went to the $place, $s gave a $thing to $o.",
  "When $a and $b went to the $place, $s gave a $thing to $o.",
  "Then, $a and $b went to the $place. $s gave a $thing to $o.",
  "Then, $a and $b had a long day at the $place. $s gave a $thing to $o.",
  "After $a and $b went to the $place, $s gave a $thing to $o.",
  "While $a and $b were at the $place, $s gave a $thing to $o.",
  "$a and $b met at the $place, and $s gave a $thing to $o.",
  "One day $a and $b were in the $place. Then $s handed a $thing to $o.",
  "The $place was full when $a and $b came. $s showed a $thing to $o.",
];
const GOINGS_ON = [
  "$o was very happy.",
  "$o thanked $s.",
  "It was a fine $thing.",
  "Then $s and $o went home.",
  "$o put the $thing into a bag.",
  "$s smiled at $o.",
];

const NOUNS = [
  "key",
  "table",
  "dog",
  "girl",
  "boy",
  "cat",
  "car",
  "teacher",
  "farmer",
  "bird",
  "window",
  "door",
  "picture",
  "king",
];
const STATES = ["old", "here", "new", "small", "in the house", "gone", "on the table", "very good"];

/** Two people; one gives, the other gets. */
export function drawGiving(random: Random): string {
  const [first, second] = pickSome(random, NAMES, 2) as [string, string];
  const [s, o] = chance(random, 0.5) ? [first, second] : [second, first];
  const values = {
    a: first,
    b: second,
    s,
    o,
    place: pick(random, PLACES),
    thing: pick(random, THINGS),
  };
  const more = chance(random, 0.4) ? ` ${pick(random, GOINGS_ON)}` : "";
  return fill(pick(random, GIVINGS) + more, values);
}

/** Sentences whose verb, pronoun or year follows from an earlier word. */
export function drawAgreement(random: Random): string {
  const kind = random.integer(3);
  if (kind === 0) {
    const [subject, other] = pickSome(random, NOUNS, 2) as [string, string];
    const [one, many] = [chance(random, 0.5), chance(random, 0.5)];
    const form = pick(random, [
      "The $n $v $s.",
      "The $n near the $o $v $s.",
      "The $n that the $o likes $v $s.",
      "The $n behind the $o $v $s.",
    ]);
    const single = form.includes("likes") || !many;
    return fill(form, {
      n: one ? subject : `${subject}s`,
      o: single ? other : `${other}s`,
      v: one ? "is" : "are",
      s: pick(random, STATES),
    });
  }
  if (kind === 1) {
    const [name, pronoun] = pick(random, [
      ["Mary", "she"],
      ["John", "he"],
      ["Anna", "she"],
      ["Tom", "he"],
      ["Kate", "she"],
      ["Paul", "he"],
      ["Lucy", "she"],
      ["Ben", "he"],
      ["Emma", "she"],
      ["Jack", "he"],
      ["Sara", "she"],
      ["Mark", "he"],
    ] as const);
    return `${pick(random, ["So", "Well, so", "And"])} ${name} is a really ${pick(random, ["good", "great", "kind", "clever"])} ${pick(random, ["friend", "teacher", "neighbour", "doctor"])}, isn't ${pronoun}?`;
  }
  const century = 11 + random.integer(9);
  const from = 2 + random.integer(95);
  const to = from + 1 + random.integer(99 - from);
  const two = (year: number): string => String(year).padStart(2, "0");
  return `The ${pick(random, ["war", "trip", "journey", "project", "voyage", "study", "strike"])} lasted from the year ${century}${two(from)} to the year ${century}${two(to)}.`;
}
