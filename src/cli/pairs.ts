/** Pairs of prompts that a command works on: those of a task, or the one that was typed. */
import type { LanguageModel } from "../generate/language-model.ts";
import { pairsFor, type AskedPairs, type Pair } from "../interpret/pairs.ts";

/** The pairs that a command line asks for. */
export function pairsOf(
  {
    args,
    options,
    settings,
  }: {
    args: Pick<AskedPairs, "clean" | "corrupted">;
    options: Pick<AskedPairs, "task" | "limit" | "answer" | "against">;
    settings: Pick<AskedPairs, "seed">;
  },
  model: LanguageModel,
): Pair[] {
  const { task, limit, answer, against } = options;
  return pairsFor(model, { ...args, task, limit, answer, against, seed: settings.seed });
}
