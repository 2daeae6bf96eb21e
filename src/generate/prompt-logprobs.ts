/** Log-probabilities of the tokens of a prompt. */
import { LabError } from "../base/errors.ts";
import { likeliest, logSumExp } from "./logits.ts";
import type { Alternative } from "./sampler.ts";

export interface PromptToken {
  id: number;
  /** Natural logarithm of its probability after the tokens before it; null for the first, which nothing precedes. */
  logprob: number | null;
  /** The likeliest tokens at its place; none for the first. */
  top: readonly Alternative[];
}

/**
 * A token, from the logits `[V]` of the token before it.
 *
 * @param count - tokens that can be named: those that the tokenizer has
 * @throws LabError `engine_failed` where the logits are no distribution
 */
export function promptToken(
  id: number,
  logits: Float32Array,
  { top, count }: { top: number; count: number },
): PromptToken {
  const total = logSumExp(logits);
  if (!Number.isFinite(total))
    throw new LabError("engine_failed", "the logits of a prompt are not finite numbers", {
      hint: "Open the model in reference mode to see where they stop being numbers.",
    });
  const withLogprob = (token: number): Alternative => ({
    id: token,
    logprob: (logits[token] ?? -Infinity) - total,
  });
  return {
    ...withLogprob(id),
    top: likeliest(logits, Math.min(count, logits.length), top).map(withLogprob),
  };
}
