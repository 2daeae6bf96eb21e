/** Short stories: somebody wants something, something comes in the way, somebody helps. */
import type { Random } from "../../base/random.ts";
import { NAMES } from "./people.ts";
import { chance, choose, fill, pick, pickSome } from "./phrases.ts";

const GIRLS = new Set([
  "Mary",
  "Anna",
  "Kate",
  "Lucy",
  "Emma",
  "Sara",
  "Ella",
  "Rose",
  "Alice",
  "Ruth",
  "Jane",
  "Laura",
  "Clara",
  "Nina",
  "Eva",
]);
const OPENINGS = [
  "Once upon a time there was a <little|small|kind|brave> <child|@kid> named $n. $He lived near a <big forest|quiet river|small town|green hill>.",
  "One day $n went to the $place. The sun was <shining|warm|bright>.",
  "$n was a <happy|curious|clever> @kid who loved to <play|sing|read|run>.",
  "Once there was a @kid called $n. $He had a <dog|cat|bird|rabbit> named $pet.",
  "One day $n wanted to <play outside|bake a cake|find a friend|build a house>.",
];
const WISHES = [
  "$He wanted to find a $adj $thing.",
  "$He was looking for a $adj $thing.",
  "$He had lost a $adj $thing.",
  "$He saw a $adj $thing under a tree.",
];
const TROUBLES = [
  "But the $thing was too high up.",
  "But it began to rain.",
  "But a big <dog|goat|bird> stood in the way.",
  "But the $thing was broken.",
  "But $he did not know the way home.",
];
const HELPERS = [
  'Then $m came along and said, "<Can I help you|What is wrong|Why are you sad>?"',
  "$He asked $m for help.",
  "$m heard $him and came at once.",
];
const ENDS = [
  "Together they <found|got|fixed> the $thing. $n was very happy.",
  "$m had a good idea, and soon all was well. They laughed and went home.",
  "They worked together, and at last the $thing was theirs. $n said thank you.",
  "$n and $m became good friends. They shared the $thing and played until the evening.",
];
const MORALS = [
  "From that day on they were friends.",
  "$n learned that it is good to ask for help.",
  "It was the best day of all.",
  "The end.",
  "$n went to bed with a smile.",
];
const THINGS = "ball kite book boat hat flower key box cake star".split(" ");
const ADJECTIVES = "red blue big little shiny golden old funny green".split(" ");

export function drawStory(random: Random): string {
  const [n, m] = pickSome(random, NAMES, 2) as [string, string];
  const girl = GIRLS.has(n);
  const values = {
    ...{ n, m, place: pick(random, ["park", "garden", "beach", "school", "market", "river"]) },
    ...{
      thing: pick(random, THINGS),
      adj: pick(random, ADJECTIVES),
      pet: pick(random, ["Rex", "Momo", "Pip", "Bella"]),
    },
    ...{ he: girl ? "she" : "he", him: girl ? "her" : "him" },
  };
  const parts = [
    OPENINGS,
    WISHES,
    TROUBLES,
    HELPERS,
    ENDS,
    ...(chance(random, 0.6) ? [MORALS] : []),
  ];
  const text = parts.map((part) => choose(pick(random, part), random)).join(" ");
  const told = text
    .replaceAll("$He", girl ? "She" : "He")
    .replaceAll("@kid", girl ? "girl" : "boy");
  return fill(told, values).replace(/\ba (?=[aeiou])/g, "an ");
}
