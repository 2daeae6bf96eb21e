/** From an answer as a person gives it to the token that it is. */
import { LabError } from "../base/errors.ts";
import type { LanguageModel, Prompt } from "../generate/language-model.ts";
import { nextToken } from "./tasks/task.ts";

/** A token by its id, or by the text that it adds to the prompt. */
export type Answer = string | number;

/** @throws LabError `bad_input` for a text that is not one token after the prompt, and for ids outside the vocabulary */
export function answerToken(
  model: Pick<LanguageModel, "tokenizer" | "config">,
  prompt: Prompt,
  answer: Answer,
): number {
  if (typeof answer === "string") {
    if (typeof prompt === "string") return nextToken(model.tokenizer, prompt, answer);
    const ids = model.tokenizer.encode(answer);
    if (ids.length === 1) return ids[0] as number;
    throw new LabError(
      "bad_input",
      `the answer ${JSON.stringify(answer)} is ${ids.length} tokens`,
      {
        hint: "Give its first token, or an id.",
      },
    );
  }
  const { vocabSize } = model.config;
  if (!Number.isInteger(answer) || answer < 0 || answer >= vocabSize)
    throw new LabError("bad_input", `token id ${answer} is not in 0…${vocabSize - 1}`);
  return answer;
}
/** A token for people to read; its number where the model has no tokenizer. */
export function tokenName(
  model: Pick<LanguageModel, "tokenizer" | "hasTokenizer">,
  id: number,
): string {
  return model.hasTokenizer ? model.tokenizer.tokenText(id) : String(id);
}
