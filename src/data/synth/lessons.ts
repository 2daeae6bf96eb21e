/** Passages of a textbook: an idea explained for a reader, with code that was run. The cells are topic × audience × constraint. */
import type { Random } from "../../base/random.ts";
import type { Exercise } from "./exercise.ts";
import { choose, fill, pick } from "./phrases.ts";
import type { Verdict } from "./verify.ts";

/** Who reads: how the passage begins. */
const AUDIENCES = {
  child: [
    "<Let us|Today we> <teach|show> the computer something<| new>.",
    "A computer does <exactly|just> what it is told. <Let us tell it something.|Here is what we tell it.>",
  ],
  beginner: [
    "In this lesson we write a small function.",
    "<Here is|This is> a<| first> function to <learn|practise> with.",
  ],
  programmer: [
    "<A short recipe.|A common task.>",
    "<The following function is often needed.|This comes up often.>",
  ],
} as const;

/** What the passage must have: how it goes on after the task. */
const CONSTRAINTS = {
  example: (parts: Parts) => `${parts.code}\nFor instance, ${parts.call} gives ${parts.output}.`,
  question: (parts: Parts) =>
    `${parts.code}\nQuestion: What is ${parts.call}?\nAnswer: ${parts.output}`,
  test: (parts: Parts) => `${parts.code}\nassert ${parts.call} == ${parts.output}`,
  console: (parts: Parts) => `${parts.code}\n>>> ${parts.call}\n${parts.output}`,
} as const;

interface Parts {
  code: string;
  call: string;
  output: string;
}

/** A passage about an exercise; without an example where none is short. */
export function lesson(exercise: Exercise, verdict: Verdict | undefined, random: Random): string {
  const audience = pick(random, Object.values(AUDIENCES));
  const constraint = pick(random, Object.values(CONSTRAINTS));
  const opening = choose(pick(random, audience), random);
  const task = fill(pick(random, ["The task: $doc", "What it does: $doc", "$doc"]), {
    doc: exercise.doc,
  });
  const code = `${exercise.head}\n${exercise.body}`;
  const { example } = verdict ?? {};
  const shown =
    example === undefined
      ? code
      : constraint({ code, call: `${exercise.name}(${example.input})`, output: example.output });
  return `${opening} ${task}\n\n${shown}\n`;
}
