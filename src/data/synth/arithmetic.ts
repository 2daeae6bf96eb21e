/** Short arithmetic and comparisons, as questions, turns and equations. */
import type { Random } from "../../base/random.ts";
import { NAMES } from "./people.ts";
import { chance, choose, pick, pickSome } from "./phrases.ts";

export interface Question {
  question: string;
  answer: string;
}

const THINGS = [
  "apples",
  "cups",
  "books",
  "pens",
  "eggs",
  "coins",
  "stones",
  "cakes",
  "cards",
  "balls",
];

export function drawSum(random: Random): Question {
  const kind = random.weightedIndex([12, 3, 4, 3, 2, 2, 2, 2]);
  const small = (): number => random.integer(21);
  const [a, b] = [small(), small()];
  const large = chance(random, 0.15);
  switch (kind) {
    case 0: {
      const [x, y] = large ? [random.integer(100), random.integer(100)] : [a, b];
      return { question: `What is ${x} + ${y}?`, answer: String(x + y) };
    }
    case 1: {
      const question = choose(
        pick(random, [
          `<How much is|Calculate|Compute> ${a} + ${b}.`,
          `<Add|Please add> ${a} and ${b}.`,
          `What is ${a} plus ${b}?`,
          `What is the sum of ${a} and ${b}?`,
        ]),
        random,
      );
      return { question: question.replace(/^(How.*)\.$/, "$1?"), answer: String(a + b) };
    }
    case 2: {
      const [x, y] = [Math.max(a, b), Math.min(a, b)];
      const question = pick(random, [
        `What is ${x} - ${y}?`,
        `What is ${x} minus ${y}?`,
        `Take ${y} away from ${x}.`,
      ]);
      return { question, answer: String(x - y) };
    }
    case 3: {
      const [x, y] = [random.integer(11), random.integer(11)];
      return {
        question: pick(random, [`What is ${x} * ${y}?`, `What is ${x} times ${y}?`]),
        answer: String(x * y),
      };
    }
    case 4: {
      const [x, y] = a === b ? [a, a + 1] : [a, b];
      return chance(random, 0.5)
        ? { question: `Which is larger, ${x} or ${y}?`, answer: String(Math.max(x, y)) }
        : { question: `Which is smaller, ${x} or ${y}?`, answer: String(Math.min(x, y)) };
    }
    case 5:
      return chance(random, 0.5)
        ? { question: `Is ${a} even or odd?`, answer: a % 2 === 0 ? "even" : "odd" }
        : { question: `What number comes after ${a}?`, answer: String(a + 1) };
    case 6:
      return chance(random, 0.5)
        ? { question: `What is twice ${a}?`, answer: String(2 * a) }
        : { question: `What is half of ${2 * a}?`, answer: String(a) };
    default: {
      const [name, thing] = [pick(random, NAMES), pick(random, THINGS)];
      const [x, y] = pickSome(random, [1, 2, 3, 4, 5, 6, 7, 8, 9], 2) as [number, number];
      if (chance(random, 0.5))
        return {
          question: `${name} has ${x} ${thing} and gets ${y} more. How many ${thing} does ${name} have now?`,
          answer: `${name} has ${x + y} ${thing}.`,
        };
      const [more, less] = [Math.max(x, y), Math.min(x, y)];
      return {
        question: `${name} has ${more} ${thing} and gives away ${less}. How many are left?`,
        answer: `${name} has ${more - less} ${thing}.`,
      };
    }
  }
}

/** Several equations, one a line. */
export function drawEquations(random: Random): string {
  return Array.from({ length: 2 + random.integer(5) }, () => {
    const [a, b] = [random.integer(21), random.integer(21)];
    const sign = pick(random, ["+", "+", "-"]);
    const [x, y] = sign === "-" ? [Math.max(a, b), Math.min(a, b)] : [a, b];
    return `${x} ${sign} ${y} = ${sign === "-" ? x - y : x + y}`;
  }).join("\n");
}
