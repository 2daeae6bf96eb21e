/** An exercise: a function to write, as a program with a docstring, as an instruction, or as a turn of a conversation. */
import type { Random } from "../../base/random.ts";
import type { ArgumentKind, Idea } from "./ideas/idea.ts";
import { drawArgument } from "./inputs.ts";
import { chance, choose, fill, pick } from "./phrases.ts";

export interface Exercise {
  idea: string;
  name: string;
  /** `def …:` */
  head: string;
  /** One sentence. */
  doc: string;
  /** Indented. */
  body: string;
  /** Another program for the same function, under the name `check`. */
  check: string;
  /** Arguments to try, as Python source: `[3], 'a'`. */
  inputs: readonly string[];
}

const VERBS = [
  "Return",
  "Return",
  "Find",
  "Compute",
  "Give",
  "Get",
  "Work out",
  "Calculate",
  "Determine",
];
const TESTS = [
  "Return True if",
  "Return True if",
  "Return True when",
  "Tell whether",
  "Check whether",
  "Say whether",
  "Decide if",
  "Test whether",
  "Return True exactly when",
];

/** Names of functions that say nothing. */
const PLAIN_NAMES = [
  "f",
  "g",
  "h",
  "solve",
  "task",
  "helper",
  "run",
  "calc",
  "answer",
  "process",
  "compute",
  "func",
  "foo",
  "work",
  "step",
  "main",
];
const ENDINGS = [
  "_it",
  "_all",
  "_of",
  "_fn",
  "_now",
  "_new",
  "_x",
  "_two",
  "_them",
  "_this",
  "_one",
  "_a",
  "_my",
  "_list",
  "_value",
  "_s",
  "_from",
  "_2",
];

const ARGUMENT_NAMES: Partial<Record<ArgumentKind, readonly string[]>> = {
  string: ["text", "string", "word", "line"],
  sentence: ["text", "string", "sentence", "line"],
  word: ["text", "word", "string"],
  integer: ["num", "value", "number"],
  natural: ["num", "number", "m"],
  positive: ["num", "number", "m"],
  numbers: ["nums", "numbers", "values", "lst", "data"],
  someNumbers: ["nums", "numbers", "values", "lst", "data"],
  digits: ["nums", "numbers", "values", "ys"],
  words: ["names", "strings", "items"],
  someWords: ["names", "strings", "items"],
  lists: ["rows", "lists", "table"],
  scores: ["counts", "scores", "table", "prices"],
  someScores: ["counts", "scores", "table"],
  oneToOne: ["mapping", "table", "codes"],
  pairs: ["items", "entries"],
};

const INPUTS = 6;

/** Draws names, literals, words and inputs for an idea. */
export function drawExercise(idea: Idea, random: Random): Exercise {
  const parameters = Object.entries(idea.arguments);
  const renames = parameters.length === 1 && chance(random, 0.25);
  const used = new Set(`${idea.body} ${idea.check}`.match(/(?<!\$)\b[a-z_]+\b/g));
  const names = Object.fromEntries(
    parameters.map(([name, kind]) => {
      const others = (ARGUMENT_NAMES[kind] ?? []).filter((other) => !used.has(other));
      return [name, renames && others.length > 0 ? pick(random, others) : name];
    }),
  );
  const literals = Object.fromEntries(
    Object.entries(idea.literals ?? {}).map(([name, values]) => [name, pick(random, values)]),
  );
  const values = { ...names, ...literals };
  const doc = fill(choose(pick(random, idea.docs), random), values)
    .replace(/^@/, () => pick(random, VERBS))
    .replace(/^\?/, () => pick(random, TESTS));
  const name = drawName(idea, random);
  const given = parameters.map(([parameter]) => names[parameter]!).join(", ");
  const inputs = Array.from({ length: INPUTS }, () =>
    parameters.map(([, kind]) => drawArgument(kind, random)).join(", "),
  );
  const indent = (text: string): string => text.replace(/^/gm, "    ");
  return {
    idea: idea.id,
    name,
    head: `def ${name}(${given}):`,
    doc: doc.replace(/ ,/g, ",").replace(/ \./g, "."),
    body: indent(fill(idea.body, values)),
    check: `def check(${given}):\n${indent(fill(idea.check, values))}`,
    inputs,
  };
}

function drawName(idea: Idea, random: Random): string {
  if (chance(random, 0.35)) return pick(random, PLAIN_NAMES);
  const name = pick(random, idea.names);
  return chance(random, 0.4) && !PLAIN_NAMES.includes(name) ? name + pick(random, ENDINGS) : name;
}

/** The function with its docstring; with `example`, a doctest in it. */
export function program(exercise: Exercise, example?: { input: string; output: string }): string {
  const { head, doc, body, name } = exercise;
  const shown =
    example === undefined
      ? `"""${doc}"""`
      : `"""${doc}\n\n    >>> ${name}(${example.input})\n    ${example.output}\n    """`;
  return `${head}\n    ${shown}\n${body}\n`;
}

/** The same as an instruction and its answer. */
export function instruction(
  exercise: Exercise,
  random: Random,
): { question: string; answer: string } {
  const { head, doc, body } = exercise;
  const signature = head.slice("def ".length, -1);
  const request = pick(random, [
    `Write a Python function ${signature}. ${doc}`,
    `Write a function ${signature} in Python: ${doc}`,
    `${doc} Write it as a Python function ${signature}.`,
    `Complete the function ${signature}. ${doc}`,
  ]);
  return { question: request, answer: `${head}\n${body}` };
}
