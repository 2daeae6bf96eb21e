/**
 * Log-likelihood of given continuations. All continuations of one prefix share its cache: the prefix is read once, and the
 * continuations lie beside each other in the cells after it, each seeing the prefix and itself.
 */
import { LabError } from "../base/errors.ts";
import type { CachedTokens } from "../model/cached-tokens.ts";
import type { Runner } from "../model/runner.ts";
import { argmax, logSumExp } from "./logits.ts";
import { nonFiniteError } from "./non-finite.ts";
import type { Tokenizer } from "../tokenizer/index.ts";
import type { Sequence } from "./sequence.ts";

export interface ScoredToken {
  id: number;
  /** Natural logarithm of its probability after everything before it. */
  logprob: number;
  /** Whether it is the most likely token there. */
  isGreedy: boolean;
}

export interface Score {
  /** Sum over the continuation's tokens; 0 for an empty one. */
  logprob: number;
  /** Whether greedy decoding would have produced the continuation. */
  isGreedy: boolean;
  tokens: readonly ScoredToken[];
}

/** Rows computed at a time; bounds the memory of their logits. */
const MAX_ROWS = 256;

/**
 * @param prefix - ids before every continuation; at least one
 * @throws LabError `too_long` where the prefix and a continuation exceed the context, `engine_failed` where a
 *   log-probability is no number
 */
export async function scoreContinuations(
  runner: Runner,
  sequence: Sequence,
  {
    prefix,
    continuations,
    signal,
  }: {
    prefix: readonly number[];
    continuations: readonly (readonly number[])[];
    signal?: AbortSignal;
  },
): Promise<Score[]> {
  const { capacity } = sequence.cache;
  const longest = Math.max(0, ...continuations.map((ids) => ids.length));
  if (prefix.length + longest > capacity)
    throw new LabError(
      "too_long",
      `the prompt has ${prefix.length} tokens and a continuation ${longest}; the context holds ${capacity}`,
      { hint: "Shorten the prompt." },
    );
  const options = signal === undefined ? {} : { signal };
  const { logits: first } = await sequence.read(prefix, options);
  const scores: Score[] = [];
  for (const group of groupBySize(continuations, Math.max(capacity - prefix.length, longest))) {
    const rows = await scoreSideBySide(runner, sequence, group, options);
    for (const ids of group) {
      const [id] = ids;
      const tokens = id === undefined ? [] : [scoreToken(first, id)];
      const score = total([...tokens, ...rows.splice(0, Math.max(0, ids.length - 1))]);
      if (!Number.isFinite(score.logprob)) throw await nonFiniteError(runner, [...prefix, ...ids]);
      scores.push(score);
    }
  }
  return scores;
}

function groupBySize<T extends { length: number }>(items: readonly T[], limit: number): T[][] {
  const groups: T[][] = [];
  let used = Infinity;
  for (const item of items) {
    if (used + item.length > limit) {
      groups.push([]);
      used = 0;
    }
    groups.at(-1)?.push(item);
    used += item.length;
  }
  return groups;
}

/**
 * Scores every token but the first of each list. The lists lie beside each other in the cells after the sequence; each
 * sees the sequence and its own tokens so far.
 */
async function scoreSideBySide(
  runner: Runner,
  { cache, tokens }: Sequence,
  lists: readonly (readonly number[])[],
  options: { signal?: AbortSignal },
): Promise<ScoredToken[]> {
  const offset = tokens.length;
  const layout: { id: number; next: number; position: number; first: number; cell: number }[] = [];
  for (const list of lists) {
    const first = offset + layout.length;
    for (let i = 0; i + 1 < list.length; i++)
      layout.push({
        id: list[i] as number,
        next: list[i + 1] as number,
        position: offset + i,
        first,
        cell: first + i,
      });
  }
  const scored: ScoredToken[] = [];
  for (let start = 0; start < layout.length; start += MAX_ROWS) {
    const rows = layout.slice(start, start + MAX_ROWS);
    const step: CachedTokens = {
      cache,
      ids: rows.map(({ id }) => id),
      positions: rows.map(({ position }) => position),
      cells: rows.map(({ cell }) => cell),
      sees: (row, cell) => {
        const at = rows[row];
        return at !== undefined && (cell < offset || (cell >= at.first && cell <= at.cell));
      },
      logits: rows.map((_, row) => row),
    };
    const logits = await runner.run([step], options);
    rows.forEach(({ next }, i) => scored.push(scoreToken(logits[i] as Float32Array, next)));
  }
  return scored;
}

function scoreToken(logits: Float32Array, id: number): ScoredToken {
  const logit = logits[id];
  if (logit === undefined)
    throw new LabError("bad_input", `token id ${id} is not in 0…${logits.length - 1}`);
  return { id, logprob: logit - logSumExp(logits), isGreedy: argmax(logits) === id };
}

function total(tokens: ScoredToken[]): Score {
  return {
    logprob: tokens.reduce((sum, { logprob }) => sum + logprob, 0),
    isGreedy: tokens.every(({ isGreedy }) => isGreedy),
    tokens,
  };
}

/** A continuation, and where it stood in the list. */
interface Pair {
  index: number;
  ids: number[];
}

/** Continuations that share their prefix, together. */
export function groupByPrefix(
  pairs: readonly { prefix: readonly number[]; ids: number[] }[],
): { prefix: readonly number[]; group: Pair[] }[] {
  const groups = new Map<string, { prefix: readonly number[]; group: Pair[] }>();
  pairs.forEach(({ prefix, ids }, index) => {
    const key = prefix.join();
    const found = groups.get(key) ?? { prefix, group: [] };
    groups.set(key, found);
    found.group.push({ index, ids });
  });
  return [...groups.values()];
}

/**
 * A continuation as ids, and the ids before it. A text continuation is tokenised together with its prompt: a token may span
 * their border.
 */
export function splitContinuation(
  model: {
    tokenizer: Tokenizer;
    promptIds: (prompt: string | readonly number[]) => readonly number[];
  },
  prompt: string | readonly number[],
  continuation: string | readonly number[],
): { prefix: readonly number[]; ids: number[] } {
  if (typeof prompt !== "string" || typeof continuation !== "string") {
    const ids =
      typeof continuation === "string" ? model.tokenizer.encode(continuation) : continuation;
    return { prefix: model.promptIds(prompt), ids: [...ids] };
  }
  // Spaces at the end of the prompt belong to the next token.
  const kept = prompt.trimEnd();
  const prefix = model.promptIds(kept);
  const ids = model.promptIds(prompt + continuation).slice(prefix.length);
  if (ids.length === 0 && continuation !== "")
    throw new LabError(
      "bad_input",
      `the continuation ${JSON.stringify(continuation)} has no token of its own: it merges with the end of the prompt`,
      { hint: "Begin it with a space, or move the end of the prompt into every continuation." },
    );
  return { prefix, ids };
}
