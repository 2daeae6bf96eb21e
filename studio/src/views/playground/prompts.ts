/** From what a person types to what a model reads. */
import {
  chatPrompt,
  formatPrompt,
  type FormattedPrompt,
  type PromptFormat,
} from "../../../../src/generate/prompt.ts";
import { KNOWN_PROMPTS, type KnownPrompt } from "../../../../src/evaluate/known-prompts.ts";

/** What the bundled models were trained for: it answers these in a moment. */
const BUNDLED: readonly KnownPrompt[] = [
  {
    title: "A function to complete",
    source: "for the bundled model",
    format: "code",
    turns: ['def count_even(xs):\n    """Return the number of the even numbers in xs."""'],
  },
  { title: "A sum", source: "for the bundled model", format: "qa", turns: ["What is 3 + 4?"] },
  {
    title: "Who got the book",
    source: "for the bundled model",
    format: "text",
    turns: ["When Mary and John went to the store, John gave a book to"],
  },
];

export const LIBRARY: readonly KnownPrompt[] = [...BUNDLED, ...Object.values(KNOWN_PROMPTS)];

/** `turns` are those before the prompt, the user's first. */
export function buildPrompt({
  text,
  format,
  turns,
}: {
  text: string;
  format: PromptFormat;
  turns: readonly string[];
}): FormattedPrompt {
  if (format !== "chat") return formatPrompt(text, format);
  return chatPrompt([
    ...turns.map((turn, i) => ({
      role: i % 2 === 0 ? ("user" as const) : ("assistant" as const),
      text: turn,
    })),
    { role: "user", text },
  ]);
}
