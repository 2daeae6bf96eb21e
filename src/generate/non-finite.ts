/** What is said where a model's numbers stop being numbers. */
import { LabError } from "../base/errors.ts";
import type { Runner } from "../model/runner.ts";

/** `engine_failed` that names the hook point at which the values for `tokens` are not finite for the first time. */
export async function nonFiniteError(runner: Runner, tokens: readonly number[]): Promise<LabError> {
  const point = await runner.firstNonFinite(tokens);
  const where = point === undefined ? "" : `; the first value that is none is at ${point}`;
  return new LabError("engine_failed", `the logits are not finite numbers${where}`, {
    hint:
      runner.mode === "fast"
        ? "Open the model in reference mode to see whether its weights are damaged or its numbers too large for 16 bits."
        : "The weights are damaged: verify the file.",
  });
}

/** A sum is NaN or infinite when any term is; one look at each logit costs less than the sampler's. */
export async function checkLogits(
  logits: Float32Array,
  runner: Runner,
  tokens: readonly number[],
): Promise<Float32Array> {
  let sum = 0;
  for (const x of logits) sum += x;
  if (Number.isFinite(sum)) return logits;
  throw await nonFiniteError(runner, tokens);
}
