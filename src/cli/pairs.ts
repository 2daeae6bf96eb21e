/** Pairs of prompts that a command works on: those of a task, or the one that was typed. */
import { LabError } from "../base/errors.ts";
import type { LanguageModel } from "../generate/language-model.ts";
import { answerToken } from "../interpret/answers.ts";
import { alignPrompts, createTask, type TaskPair } from "../interpret/index.ts";

export type Pair = Pick<TaskPair, "clean" | "corrupted" | "right" | "wrong">;

/** The pairs of a task, or the one that was typed. */
export function pairsOf(
  {
    args,
    options,
    settings,
  }: {
    args: { clean?: string | undefined; corrupted?: string | undefined };
    options: {
      task?: string | undefined;
      limit: number;
      answer?: string | undefined;
      against?: string | undefined;
    };
    settings: { seed: number };
  },
  model: LanguageModel,
): Pair[] {
  const { clean, corrupted } = args;
  const { task, limit, answer, against } = options;
  if (task !== undefined) {
    if (clean !== undefined)
      throw new LabError("bad_input", "both prompts and a task were given", {
        hint: "Give one of them.",
      });
    const drawn = createTask(model, task, { count: limit, seed: settings.seed, sameLength: true });
    return [...drawn.pairs];
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
