/**
 * Tasks whose answer is known: pairs of prompts that differ in one respect, aligned token by token, with the tokens that are
 * right and wrong after the first of them. Patching, attribution and ablation are measured on these.
 */
import { LabError } from "../../base/errors.ts";
import { sha256 } from "../../base/hash.ts";
import type { Random } from "../../base/random.ts";
import type { Tokenizer } from "../../tokenizer/index.ts";

export type TaskTokenizer = Pick<Tokenizer, "encode" | "promptIds" | "tokenText" | "decode">;

/** One prompt and its counterpart, as token ids of equal number. */
export interface TaskPair {
  clean: readonly number[];
  corrupted: readonly number[];
  /** What should follow the clean prompt; several where several answers are right, as in greater-than. */
  right: readonly number[];
  /** What follows instead when the model misses it. */
  wrong: readonly number[];
  /** Places that the literature names, in the clean prompt: `io`, `s1`, `s2`, `end`. */
  positions: Readonly<Record<string, number>>;
}

export interface Task {
  name: string;
  seed: number;
  pairs: readonly TaskPair[];
  /** SHA-256 of the pairs: two tasks with one hash are the same task. */
  hash: string;
}

/** A pair as text, before it is known whether it aligns. */
export interface Draft {
  clean: string;
  corrupted: string;
  right: readonly string[];
  wrong: readonly string[];
  /** Beginnings of the clean text; each marks the position of its last token. */
  marks?: Readonly<Record<string, string>>;
}

/** What a generator draws from. */
export interface Source {
  random: Random;
  /** The words that are one token each after a space. */
  oneToken: (words: readonly string[]) => readonly string[];
}

export type Draw = (source: Source) => Draft;

/** Drafts that are drawn for each pair that is wanted, before the tokenizer is found unfit. */
const TRIES_PER_PAIR = 200;

/**
 * Draws pairs until `count` different ones fit the tokenizer; with `sameLength` all have as many tokens as the first, so
 * that their positions can be compared.
 *
 * @throws LabError `unsupported` where too few fit; the message shows the tokens of one that did not
 */
export function drawPairs(
  draw: Draw,
  {
    name,
    tokenizer,
    random,
    count,
    sameLength = false,
  }: {
    name: string;
    tokenizer: TaskTokenizer;
    random: Random;
    count: number;
    sameLength?: boolean;
  },
): TaskPair[] {
  const source: Source = { random, oneToken: oneTokenFilter(tokenizer) };
  const pairs = new Map<string, TaskPair>();
  let refusal: LabError | undefined;
  let length: number | undefined;
  for (let i = 0; i < count * TRIES_PER_PAIR && pairs.size < count; i++) {
    try {
      const pair = readDraft(draw(source), tokenizer);
      length ??= pair.clean.length;
      if (sameLength && pair.clean.length !== length) continue;
      pairs.set(`${pair.clean.join()};${pair.corrupted.join()}`, pair);
    } catch (error) {
      if (!(error instanceof LabError)) throw error;
      refusal ??= error;
    }
  }
  if (pairs.size < count)
    throw new LabError(
      "unsupported",
      `the task ${name} has ${pairs.size} of ${count} pairs with this tokenizer${
        refusal === undefined ? "" : `; one that does not fit: ${refusal.message}`
      }`,
      { hint: "Ask for fewer pairs, or take another task." },
    );
  return [...pairs.values()];
}

/** The pair in ids. Throws `bad_input` where the prompts do not align or an answer is more than one token. */
function readDraft(
  { clean, corrupted, right, wrong, marks = {} }: Draft,
  tokenizer: TaskTokenizer,
): TaskPair {
  const ids = alignPrompts(tokenizer, clean, corrupted);
  const answer = (text: string): number => nextToken(tokenizer, clean, text);
  const positions = Object.entries(marks).map(([mark, prefix]) => [
    mark,
    tokenizer.promptIds(prefix).length - 1,
  ]);
  return {
    ...ids,
    right: right.map(answer),
    wrong: wrong.map(answer),
    positions: {
      ...(Object.fromEntries(positions) as Record<string, number>),
      end: ids.clean.length - 1,
    },
  };
}

/**
 * Two prompts as ids. A patch moves values between equal positions, so that they must have equally many tokens.
 *
 * @throws LabError `bad_input` with both texts cut into their tokens
 */
export function alignPrompts(
  tokenizer: TaskTokenizer,
  clean: string,
  corrupted: string,
): { clean: number[]; corrupted: number[] } {
  const ids = { clean: tokenizer.promptIds(clean), corrupted: tokenizer.promptIds(corrupted) };
  if (ids.clean.length === ids.corrupted.length) return ids;
  const show = (list: readonly number[]): string =>
    list.map((id) => tokenizer.tokenText(id).replaceAll("\n", "\\n")).join("|");
  throw new LabError(
    "bad_input",
    `the prompts have ${ids.clean.length} and ${ids.corrupted.length} tokens: ${show(ids.clean)} and ${show(ids.corrupted)}`,
    { hint: "Choose words of equally many tokens, so that positions mean the same in both." },
  );
}

/** The one token that `text` adds to `prompt`. Throws `bad_input` where it adds more or merges with the prompt's end. */
export function nextToken(tokenizer: TaskTokenizer, prompt: string, text: string): number {
  const before = tokenizer.promptIds(prompt);
  const after = tokenizer.promptIds(prompt + text);
  const added = after.slice(before.length);
  const kept = before.every((id, i) => after[i] === id);
  if (added.length === 1 && kept) return added[0] as number;
  const tokens = tokenizer.encode(text).map((id) => tokenizer.tokenText(id));
  throw new LabError(
    "bad_input",
    `the answer ${JSON.stringify(text)} is not one token after the prompt: ${tokens.join("|")}`,
    { hint: "Answers usually begin with a space: ' Mary'." },
  );
}

function oneTokenFilter(tokenizer: TaskTokenizer): Source["oneToken"] {
  const known = new Map<readonly string[], readonly string[]>();
  return (words) => {
    const found =
      known.get(words) ?? words.filter((word) => tokenizer.encode(` ${word}`).length === 1);
    known.set(words, found);
    return found;
  };
}

export function hashPairs(pairs: readonly TaskPair[]): string {
  return sha256(JSON.stringify(pairs));
}

/** One of `items`. Throws `bad_input` where there is none, which a tokenizer without whole words may cause. */
export function pick<T>({ random }: Pick<Source, "random">, items: readonly T[]): T {
  if (items.length === 0)
    throw new LabError("bad_input", "no word of this task is one token of this tokenizer");
  return items[random.integer(items.length)] as T;
}

/** `count` different ones of `items`, in random order. */
export function pickSome<T>(
  source: Pick<Source, "random">,
  items: readonly T[],
  count: number,
): T[] {
  if (items.length < count)
    throw new LabError(
      "bad_input",
      `${items.length} words of this task are one token of this tokenizer; it needs ${count}`,
    );
  const order = source.random.permutation(items.length);
  return Array.from(order.subarray(0, count), (i) => items[i] as T);
}
