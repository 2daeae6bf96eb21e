/** Targets of a loss: which rows count, and for how much. */
import { LabError } from "../base/errors.ts";

/** What transformers and PyTorch put where a token is not to be learned. */
export const IGNORED = -100;

/**
 * Ids and weights for `crossEntropy` that make it the mean over the rows that count.
 *
 * @param targets - a token id, or `IGNORED`, for each row
 */
export function countedTargets(
  targets: ArrayLike<number>,
  {
    vocabSize,
    count,
  }: {
    /** Every other id must be below it. */
    vocabSize: number;
    /**
     * Rows that the mean runs over; by default those of `targets` that count. Where a batch is computed in parts, it is that of all
     * parts: the mean of means would give tokens in short parts more weight.
     */
    count?: number;
  },
): { ids: Int32Array; weights: Float32Array; counted: number } {
  const ids = Int32Array.from(targets, (id) => (id === IGNORED ? 0 : id));
  const wrong = Array.from(targets).find(
    (id) => id !== IGNORED && !(Number.isInteger(id) && id >= 0 && id < vocabSize),
  );
  if (wrong !== undefined)
    throw new LabError(
      "bad_input",
      `target ${wrong} is neither in 0…${vocabSize - 1} nor ${IGNORED}`,
    );
  const counts = Array.from(targets, (id) => (id === IGNORED ? 0 : 1));
  const counted = counts.reduce<number>((a, b) => a + b, 0);
  if (counted === 0)
    throw new LabError("bad_input", "no target counts: all are ignored", {
      hint: "Leave the sequence out, or check where its answer starts.",
    });
  return { ids, weights: Float32Array.from(counts, (n) => n / (count ?? counted)), counted };
}
