/** Pairs of prompts to work on: those of a task, or one that was typed. */
import { LabError } from "../base/errors.ts";
import type { LanguageModel } from "../generate/language-model.ts";
import { answerToken } from "./answers.ts";
import { createTask } from "./tasks/index.ts";
import { alignPrompts, type TaskPair } from "./tasks/task.ts";

export type Pair = Pick<TaskPair, "clean" | "corrupted" | "right" | "wrong">;

export interface AskedPairs {
  task?: string | undefined;
  /** Pairs of the task. */
  limit: number;
  seed: number;
  /** In place of a task. */
  clean?: string | undefined;
  corrupted?: string | undefined;
  answer?: string | undefined;
  against?: string | undefined;
}

/** @throws LabError `bad_input` where neither is whole, or both are given; what `createTask` throws */
export function pairsFor(
  model: LanguageModel,
  { task, limit, seed, clean, corrupted, answer, against }: AskedPairs,
): Pair[] {
  if (task !== undefined) {
    if (clean !== undefined)
      throw new LabError("bad_input", "both prompts and a task were given", {
        hint: "Give one of them.",
      });
    return [...createTask(model, task, { count: limit, seed, sameLength: true }).pairs];
  }
  if (clean === undefined || corrupted === undefined)
    throw new LabError("bad_input", "a clean and a corrupted prompt are needed", {
      hint: "Give both, or a task: --task ioi-classic",
    });
  if (answer === undefined || against === undefined)
    throw new LabError("bad_input", "no answers were given", {
      hint: "Add --answer ' Mary' --against ' John'.",
    });
  return [
    {
      ...alignPrompts(model.tokenizer, clean, corrupted),
      right: [answerToken(model, clean, answer)],
      wrong: [answerToken(model, clean, against)],
    },
  ];
}
