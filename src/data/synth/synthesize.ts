/** Synthetic material: documents of several kinds in given shares, from a seed; code is run before it is shown. */
import { LabError } from "../../base/errors.ts";
import type { Random } from "../../base/random.ts";
import type { PythonSandbox } from "../../sandbox/types.ts";
import { drawEquations, drawSum, type Question } from "./arithmetic.ts";
import { drawExercise, instruction, program, type Exercise } from "./exercise.ts";
import { drawFact, drawGreeting } from "./facts.ts";
import type { HeldOut } from "./held-out.ts";
import { lesson } from "./lessons.ts";
import { COMPOSITION_IDEAS } from "./ideas/compositions.ts";
import { DICTIONARY_IDEAS } from "./ideas/dictionaries.ts";
import { FAMILY_IDEAS } from "./ideas/families.ts";
import type { Idea } from "./ideas/idea.ts";
import { LIST_PART_IDEAS } from "./ideas/list-parts.ts";
import { LIST_SUMMARY_IDEAS } from "./ideas/list-summaries.ts";
import { LIST_IDEAS } from "./ideas/lists.ts";
import { NUMBER_IDEAS } from "./ideas/numbers.ts";
import { SMALL_NUMBER_IDEAS } from "./ideas/small-numbers.ts";
import { STRING_IDEAS } from "./ideas/strings.ts";
import { drawAgreement, drawGiving } from "./people.ts";
import { chance, pick } from "./phrases.ts";
import { drawLookUps, drawParameters, drawRepeats } from "./repeats.ts";
import { drawStory } from "./stories.ts";
import { verifyExercises, type Verdict } from "./verify.ts";

/** Ideas that stand for themselves. */
export const SINGLE_IDEAS: readonly Idea[] = [
  ...STRING_IDEAS,
  ...NUMBER_IDEAS,
  ...SMALL_NUMBER_IDEAS,
  ...LIST_IDEAS,
  ...LIST_SUMMARY_IDEAS,
  ...LIST_PART_IDEAS,
  ...DICTIONARY_IDEAS,
];

const IDEAS = {
  functions: SINGLE_IDEAS,
  families: FAMILY_IDEAS,
  compositions: COMPOSITION_IDEAS,
  instructions: [...SINGLE_IDEAS, ...FAMILY_IDEAS],
  lessons: [...SINGLE_IDEAS, ...FAMILY_IDEAS],
} as const satisfies Record<string, readonly Idea[]>;

const TEXTS = {
  arithmetic: (random) =>
    chance(random, 0.1) ? drawEquations(random) : asked(drawSum(random), random),
  facts: (random) => asked(drawFact(random), random),
  chat: drawChat,
  people: drawGiving,
  agreement: drawAgreement,
  stories: drawStory,
  repeats: (random) =>
    pick(random, [drawRepeats, drawRepeats, drawLookUps, drawParameters])(random),
} as const satisfies Record<string, (random: Random) => string>;

export const SYNTH_KINDS = [...keysOf(IDEAS), ...keysOf(TEXTS)] as const;
export type SynthKind = keyof typeof IDEAS | keyof typeof TEXTS;

/** Shares of the text, by characters: those of phi-nano. */
export const DEFAULT_SHARES: Readonly<Record<SynthKind, number>> = {
  ...{ functions: 34, families: 17, compositions: 20, instructions: 2, lessons: 1 },
  ...{ arithmetic: 9, facts: 2, chat: 2, people: 5, agreement: 0.5, stories: 1.5, repeats: 6 },
};

export interface SynthDocument {
  text: string;
  kind: SynthKind;
  /** The idea of a function. */
  topic?: string;
}

export interface SynthReport {
  documents: number;
  characters: number;
  /** Different exercises that were run. */
  verified: number;
  /** Exercises whose two solutions did not agree, the first of each idea. */
  refused: { count: number; first: Record<string, string> };
  /** Drawn again because a held-out task asks the same, or occurs in them. */
  heldOut: number;
}

export interface SynthOptions {
  /** Decides everything; what has been drawn from it before does not matter. */
  random: Random;
  /** Documents come until they have as many. */
  characters: number;
  shares?: Partial<Record<SynthKind, number>>;
  sandbox: PythonSandbox;
  heldOut?: HeldOut;
  signal?: AbortSignal;
}

/** Documents that are drawn before their code is run, and about how short they are. */
const ROUND = 2_000;
const SHORT_CHARACTERS = 50;

/**
 * Draws documents; the same options give the same ones.
 *
 * @returns what was made and what was left out
 * @throws LabError `bad_input` for shares that are none
 */
export async function* synthesize(
  options: SynthOptions,
): AsyncGenerator<SynthDocument, SynthReport, undefined> {
  const { random, characters, sandbox, heldOut, signal } = options;
  const shares = sharesOf(options.shares ?? DEFAULT_SHARES);
  const verdicts = new Map<string, Verdict>();
  const report: SynthReport = {
    ...{ documents: 0, characters: 0, verified: 0, heldOut: 0 },
    refused: { count: 0, first: {} },
  };
  const made = new Map<SynthKind, number>(shares.map(([kind]) => [kind, 0]));
  let drawn = 0;
  while (report.characters < characters) {
    signal?.throwIfAborted();
    const round: Draft[] = [];
    while (round.length < Math.min(ROUND, characters / SHORT_CHARACTERS)) {
      const kind = mostBehind(shares, made);
      const draft = drawDraft(kind, random.split(drawn++));
      const size = draft.render(undefined).length;
      if (heldOut !== undefined && isHeldOut(draft, heldOut)) {
        report.heldOut++;
        continue;
      }
      made.set(kind, made.get(kind)! + size);
      round.push(draft);
    }
    const fresh = new Map<string, Exercise>();
    for (const draft of round)
      if (draft.exercise !== undefined && !verdicts.has(keyOf(draft.exercise)))
        fresh.set(keyOf(draft.exercise), draft.exercise);
    const found = await verifyExercises([...fresh.values()], {
      sandbox,
      ...(signal === undefined ? {} : { signal }),
    });
    [...fresh.keys()].forEach((key, i) => verdicts.set(key, found[i]!));
    report.verified += fresh.size;
    for (const draft of round) {
      const verdict = draft.exercise && verdicts.get(keyOf(draft.exercise));
      if (verdict?.problem !== undefined) {
        report.refused.count++;
        report.refused.first[draft.exercise!.idea] ??= verdict.problem;
        continue;
      }
      const text = draft.render(verdict);
      // An example can complete what the docstring alone was not.
      if (heldOut?.occursIn(text) === true) {
        report.heldOut++;
        continue;
      }
      report.documents++;
      report.characters += text.length;
      const topic = draft.exercise?.idea;
      yield { text, kind: draft.kind, ...(topic === undefined ? {} : { topic }) };
      if (report.characters >= characters) break;
    }
  }
  return report;
}

interface Draft {
  kind: SynthKind;
  exercise?: Exercise;
  render: (verdict: Verdict | undefined) => string;
}

function drawDraft(kind: SynthKind, random: Random): Draft {
  if (!(kind in IDEAS)) {
    const text = TEXTS[kind as keyof typeof TEXTS](random);
    return { kind, render: () => text };
  }
  const exercise = drawExercise(pick(random, IDEAS[kind as keyof typeof IDEAS]), random);
  if (kind === "instructions") {
    const { question, answer } = instruction(exercise, random);
    const text = chance(random, 0.75)
      ? `Instruct: ${question}\nOutput:\n${answer}`
      : `Alice: ${question}\nBob:\n${answer}`;
    return { kind, exercise, render: () => text };
  }
  if (kind === "lessons") {
    const words = random.split(0);
    return { kind, exercise, render: (verdict) => lesson(exercise, verdict, words.split(0)) };
  }
  const withExample = chance(random, kind === "compositions" ? 0.45 : 0.12);
  return {
    ...{ kind, exercise },
    render: (verdict) => program(exercise, withExample ? verdict?.example : undefined),
  };
}

/** One exercise is another one's equal where the code is, whatever the function is called. */
function keyOf({ head, body, check, name }: Exercise): string {
  return `${head.slice("def ".length + name.length)}\n${body}\n${check}`;
}

function isHeldOut({ exercise, render }: Draft, heldOut: HeldOut): boolean {
  return (
    (exercise !== undefined && heldOut.asks(exercise.doc)) || heldOut.occursIn(render(undefined))
  );
}

function asked({ question, answer }: Question, random: Random): string {
  return chance(random, 0.75)
    ? `Instruct: ${question}\nOutput: ${answer}`
    : `Alice: ${question}\nBob: ${answer}`;
}

/** One to four turns, the first of them perhaps a greeting. */
function drawChat(random: Random): string {
  const turns = Array.from({ length: 1 + random.integer(4) }, (_, i) => {
    if (chance(random, i === 0 ? 0.5 : 0.15)) return drawGreeting(random);
    return chance(random, 0.5) ? drawFact(random) : drawSum(random);
  });
  return turns.map(({ question, answer }) => `Alice: ${question}\nBob: ${answer}`).join("\n");
}

function sharesOf(given: Partial<Record<SynthKind, number>>): (readonly [SynthKind, number])[] {
  const entries = Object.entries(given) as [SynthKind, number][];
  const unknown = entries.find(([kind]) => !SYNTH_KINDS.includes(kind));
  if (unknown !== undefined)
    throw new LabError("bad_input", `there is no material of the kind ${unknown[0]}`, {
      hint: `There is ${SYNTH_KINDS.join(", ")}.`,
    });
  const total = entries.reduce((sum, [, share]) => sum + share, 0);
  if (!(total > 0) || entries.some(([, share]) => !(share >= 0)))
    throw new LabError("bad_input", "the shares of the kinds must be positive numbers", {
      hint: "For instance functions:3,stories:1.",
    });
  return entries.filter(([, share]) => share > 0).map(([kind, share]) => [kind, share / total]);
}

/** The kind that has least of what is due to it. */
function mostBehind(
  shares: readonly (readonly [SynthKind, number])[],
  made: ReadonlyMap<SynthKind, number>,
): SynthKind {
  return shares.reduce((least, next) =>
    made.get(next[0])! / next[1] < made.get(least[0])! / least[1] ? next : least,
  )[0];
}

function keysOf<K extends string>(record: Record<K, unknown>): K[] {
  return Object.keys(record) as K[];
}
