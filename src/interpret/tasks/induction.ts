/**
 * Induction: random tokens, and then the same ones again (Olsson et al. 2022, "In-context learning and induction heads").
 * What follows is what followed before. The counterpart begins with other tokens, so that nothing repeats.
 */
import { LabError } from "../../base/errors.ts";
import type { Random } from "../../base/random.ts";
import type { TaskPair } from "./task.ts";

export interface InductionOptions {
  random: Random;
  count: number;
  /** Ids that may occur: from `firstId` up to, not including, `endId`. */
  firstId: number;
  endId: number;
  /** What every prompt begins with. */
  startToken?: number | undefined;
  /** Tokens before they repeat. */
  length?: number;
}

/** @throws LabError `bad_input` where there are too few ids for a half without repetition */
export function inductionPairs({
  random,
  count,
  firstId,
  endId,
  startToken,
  length = 12,
}: InductionOptions): TaskPair[] {
  const ids = endId - firstId;
  if (length < 2 || ids < 2 * length)
    throw new LabError(
      "bad_input",
      `an induction task of ${length} tokens needs ${2 * length} different ids, and ${ids} are given`,
    );
  const start = startToken === undefined ? [] : [startToken];
  return Array.from({ length: count }, () => {
    const drawn = Array.from(random.permutation(ids).subarray(0, 2 * length), (id) => id + firstId);
    const [first, other] = [drawn.slice(0, length), drawn.slice(length)];
    const seen = 1 + random.integer(length - 1); // tokens of the second half that the prompt has
    const again = first.slice(0, seen);
    const clean = [...start, ...first, ...again];
    return {
      clean,
      corrupted: [...start, ...other, ...again],
      right: [first[seen] as number],
      wrong: [other[seen] as number],
      positions: {
        previous: start.length + seen - 1,
        copied: start.length + seen,
        end: clean.length - 1,
      },
    };
  });
}
