/** Computes one pass of a plan: the branches lie beside each other in the cells after their prefix. */
import type { Runner } from "../model/runner.ts";
import type { LogProbTarget } from "../model/token-scores.ts";
import { nonFiniteError } from "./non-finite.ts";
import type { ScorePass } from "./score-plan.ts";
import type { Sequence } from "./sequence.ts";

/** What a request of `planScores` came to. */
export interface RequestScore {
  /** The place of the request. */
  index: number;
  /** Sum over the continuation's tokens, natural logarithm; 0 for an empty one. */
  logprob: number;
  /** Whether greedy decoding would have produced the continuation. */
  isGreedy: boolean;
}

/** A row of the pass: what it reads and which cells it sees beside the prefix. */
interface Row {
  id: number;
  position: number;
  /** First and last cell of the context of its branch, as far as it may look. */
  context: readonly [first: number, last: number];
  /** First cell of its continuation; for a row of the context itself none. */
  own: number;
}

export async function scorePass(
  runner: Runner,
  sequence: Sequence,
  { prefix, branches }: ScorePass,
  options: { signal?: AbortSignal } = {},
): Promise<RequestScore[]> {
  const offset = prefix.length;
  if (offset === 0) sequence.truncate(0);
  else await sequence.read(prefix, options);

  const rows: Row[] = [];
  const wanted: number[] = [];
  const targets: LogProbTarget[] = [];
  /** For each request the places of its targets. */
  const places: {
    index: number;
    ids: readonly number[];
    context: readonly number[];
    from: number;
  }[] = [];
  for (const { context, continuations } of branches) {
    const first = offset + rows.length;
    const last = first + context.length - 1;
    context.forEach((id, i) => {
      rows.push({ id, position: offset + i, context: [first, first + i], own: Infinity });
    });
    const end = wanted.push(rows.length - 1) - 1; // the row after which every continuation begins
    for (const { index, ids } of continuations) {
      places.push({ index, ids, context, from: targets.length });
      const own = offset + rows.length;
      ids.forEach((id, i) => {
        targets.push({ row: i === 0 ? end : wanted.length - 1, id });
        if (i + 1 === ids.length) return;
        const position = offset + context.length + i;
        rows.push({ id, position, context: [first, last], own });
        wanted.push(rows.length - 1);
      });
    }
  }
  if (targets.length === 0)
    return places.map(({ index }) => ({ index, logprob: 0, isGreedy: true }));

  const step = {
    cache: sequence.cache,
    ids: rows.map(({ id }) => id),
    positions: rows.map(({ position }) => position),
    cells: rows.map((_, i) => offset + i),
    sees: (row: number, cell: number): boolean => {
      if (cell < offset) return true;
      const { context, own } = rows[row] as Row;
      return (cell >= context[0] && cell <= context[1]) || (cell >= own && cell <= offset + row);
    },
    logits: wanted,
  };
  const { logprobs, likeliest } = await runner.score([step], targets, options);

  const scores: RequestScore[] = [];
  for (const { index, ids, context, from } of places) {
    let logprob = 0;
    let isGreedy = true;
    ids.forEach((id, i) => {
      logprob += logprobs[from + i] as number;
      isGreedy &&= likeliest[targets[from + i]?.row ?? -1] === id;
    });
    if (!Number.isFinite(logprob))
      throw await nonFiniteError(runner, [...prefix, ...context, ...ids]);
    scores.push({ index, logprob, isGreedy });
  }
  return scores;
}
