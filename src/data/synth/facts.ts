/** Small pieces of knowledge, as questions with short answers. Written for philab. */
import type { Random } from "../../base/random.ts";
import type { Question } from "./arithmetic.ts";
import { NAMES } from "./people.ts";
import { chance, pick, pickSome } from "./phrases.ts";

const CAPITALS =
  "France Paris|Italy Rome|Spain Madrid|Germany Berlin|England London|Japan Tokyo|Egypt Cairo|Greece Athens|Russia Moscow|China Beijing|Norway Oslo|Austria Vienna|Portugal Lisbon|Ireland Dublin|Poland Warsaw|Kenya Nairobi|Peru Lima|Cuba Havana|Canada Ottawa|India Delhi"
    .split("|")
    .map((pair) => pair.split(" ") as [string, string]);
const OPPOSITES =
  "big small|hot cold|day night|up down|left right|open closed|old new|fast slow|long short|light dark|happy sad|early late|hard soft|full empty|high low|wet dry"
    .split("|")
    .map((pair) => pair.split(" ") as [string, string]);
const COLOURS =
  "grass green|snow white|the sky blue|coal black|blood red|milk white|a lemon yellow|the sea blue|a leaf green|a tomato red"
    .split("|")
    .map((pair) => {
      const at = pair.lastIndexOf(" ");
      return [pair.slice(0, at), pair.slice(at + 1)] as const;
    });
const SOUNDS =
  "dog barks|cat meows|cow moos|duck quacks|lion roars|sheep bleats|bee buzzes|horse neighs"
    .split("|")
    .map((pair) => pair.split(" ") as [string, string]);
const DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split(" ");
const MONTHS =
  "January February March April May June July August September October November December".split(
    " ",
  );
const PYTHON: readonly (readonly [string, string])[] = [
  ["a list", "A list is an ordered collection of values that can be changed."],
  ["a tuple", "A tuple is an ordered collection of values that cannot be changed."],
  ["a dictionary", "A dictionary maps keys to values."],
  ["a set", "A set is a collection of different values without an order."],
  ["a string", "A string is a piece of text."],
  ["a function", "A function is a piece of code with a name that can be called again."],
  ["a loop", "A loop runs the same code several times."],
  ["a variable", "A variable is a name for a value."],
  ["an integer", "An integer is a whole number."],
  ["a boolean", "A boolean is either True or False."],
  ["a docstring", "A docstring is a text that says what a function does."],
  ["recursion", "Recursion means that a function calls itself."],
  ["a module", "A module is a file of Python code that can be imported."],
  ["an exception", "An exception is an error that stops a program unless it is caught."],
];
const CALLS: readonly (readonly [string, string])[] = [
  ["len", "It gives the number of elements."],
  ["sum", "It adds up the numbers of a list."],
  ["max", "It gives the largest element."],
  ["min", "It gives the smallest element."],
  ["sorted", "It gives a sorted list of the elements."],
  ["range", "It gives whole numbers one after the other."],
  ["abs", "It gives the absolute value of a number."],
  ["zip", "It pairs the elements of two lists."],
  ["any", "It tells whether some element is true."],
  ["all", "It tells whether every element is true."],
  ["str", "It turns a value into a string."],
  ["int", "It turns a value into a whole number."],
];
const FRUIT = ["an apple", "a pear", "a plum", "a cherry", "a peach"];
const ANIMALS = ["a dog", "a cat", "a horse", "a cow", "a lion"];

const NUMBERS =
  "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen twenty".split(
    " ",
  );
const WORDS =
  "cat dog sun moon tree river stone apple bird green house sky red book water garden noon lamp winter summer bread paper music table window mother father friend horse letter".split(
    " ",
  );

/** Letters of a word: what can be read off it. */
function drawSpelling(random: Random): Question {
  const word = pick(random, WORDS);
  return pick(random, [
    { question: `What is the first letter of ${word}?`, answer: word[0]! },
    { question: `What is the last letter of ${word}?`, answer: word.at(-1)! },
    { question: `How many letters has the word ${word}?`, answer: String(word.length) },
    { question: `Spell ${word}.`, answer: [...word].join("-") },
    { question: `Say the word ${word} twice.`, answer: `${word} ${word}` },
    { question: `Write ${word} in capitals.`, answer: word.toUpperCase() },
  ]);
}

export function drawFact(random: Random): Question {
  switch (random.integer(14)) {
    case 0: {
      const [country, city] = pick(random, CAPITALS);
      return {
        question: pick(random, [
          `What is the capital of ${country}?`,
          `Name the capital of ${country}.`,
        ]),
        answer: chance(random, 0.5) ? city : `The capital of ${country} is ${city}.`,
      };
    }
    case 1: {
      const pair = pick(random, OPPOSITES);
      const [word, other] = chance(random, 0.5) ? pair : ([pair[1], pair[0]] as const);
      return {
        question: pick(random, [
          `What is the opposite of ${word}?`,
          `Say the opposite of ${word}.`,
        ]),
        answer: other,
      };
    }
    case 2: {
      const [thing, colour] = pick(random, COLOURS);
      return { question: `What colour is ${thing}?`, answer: colour };
    }
    case 3: {
      const [list, what] = chance(random, 0.5)
        ? ([DAYS, "day"] as const)
        : ([MONTHS, "month"] as const);
      const at = random.integer(list.length);
      return {
        question: `Which ${what} comes after ${list[at]!}?`,
        answer: list[(at + 1) % list.length]!,
      };
    }
    case 4: {
      const [animal, does] = pick(random, SOUNDS);
      return { question: `What does a ${animal} do?`, answer: `A ${animal} ${does}.` };
    }
    case 5: {
      const [term, said] = pick(random, PYTHON);
      return {
        question: pick(random, [
          `What is ${term} in Python?`,
          `Explain ${term}.`,
          `What is ${term}?`,
        ]),
        answer: said,
      };
    }
    case 6: {
      const [name, said] = pick(random, CALLS);
      return {
        question: pick(random, [
          `What does ${name} do in Python?`,
          `What does the function ${name} do?`,
        ]),
        answer: said,
      };
    }
    case 7: {
      const isFruit = chance(random, 0.5);
      return {
        question: `Is ${pick(random, isFruit ? FRUIT : ANIMALS)} a fruit or an animal?`,
        answer: isFruit ? "a fruit" : "an animal",
      };
    }
    case 8: {
      const list = pickSome(random, NAMES, 3);
      const which = random.integer(3);
      return {
        question: `Here are three names: ${list.join(", ")}. Which is the ${["first", "second", "third"][which]!}?`,
        answer: list[which]!,
      };
    }
    case 9:
    case 10:
      return drawSpelling(random);
    case 11: {
      const n = 1 + random.integer(NUMBERS.length - 1);
      return chance(random, 0.5)
        ? { question: `Write ${n} in words.`, answer: NUMBERS[n]! }
        : { question: `Write ${NUMBERS[n]!} as a number.`, answer: String(n) };
    }
    case 12: {
      const items = pickSome(random, WORDS, 2 + random.integer(4));
      return {
        question: `How many words are in this list: ${items.join(", ")}?`,
        answer: String(items.length),
      };
    }
    default: {
      const name = pick(random, NAMES);
      return chance(random, 0.5)
        ? { question: `My name is ${name}. What is my name?`, answer: `Your name is ${name}.` }
        : { question: `Say hello to ${name}.`, answer: `Hello, ${name}!` };
    }
  }
}

/** What people say before they ask. */
export function drawGreeting(random: Random): Question {
  return pick(random, [
    {
      question: pick(random, ["Hello!", "Hi!", "Hello.", "Good morning!"]),
      answer: "Hello! How can I help you?",
    },
    { question: "How are you?", answer: "I am fine, thank you. How are you?" },
    {
      question: pick(random, ["Who are you?", "What are you?"]),
      answer: "I am phi-nano, a small language model.",
    },
    { question: pick(random, ["Thank you!", "Thanks!"]), answer: "You are welcome!" },
    {
      question: pick(random, ["What can you do?", "Can you help me?"]),
      answer: "I can write short Python functions, add numbers and tell a story.",
    },
    { question: pick(random, ["Goodbye!", "Bye!"]), answer: "Goodbye!" },
  ]);
}
