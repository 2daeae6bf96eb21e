/**
 * Prompts that the Phi-2 report and the model cards show, with what can be checked in an answer. A check is no grade: it finds
 * answers that are surely wrong, and a person reads the rest.
 */
import { chatPrompt, formatPrompt, type FormattedPrompt } from "../generate/prompt.ts";
import type { LanguageModel } from "../generate/language-model.ts";
import type { PythonSandbox } from "../sandbox/index.ts";
import { KNOWN_PROMPTS } from "./known-prompts.ts";

export interface SuitePrompt {
  name: string;
  source: string;
  prompt: FormattedPrompt;
  /** What a right answer shows, in words. */
  expects: string;
  check: (answer: string, sandbox: () => Promise<PythonSandbox>) => boolean | Promise<boolean>;
}

const { skier, student, analogy, print_prime: primes, chat } = KNOWN_PROMPTS;
const [CODE] = primes.turns;

const words = (answer: string): number => answer.trim().split(/\s+/).length;

export const PROMPT_SUITE: readonly SuitePrompt[] = [
  {
    name: "skier",
    source: skier.source,
    prompt: formatPrompt(skier.turns[0], skier.format),
    expects: "v = √(2gh) ≈ 28 m/s",
    check: (answer) =>
      /\b2[78](\.\d+)?\s*(m\/s|meters? per second|metres? per second)/i.test(answer),
  },
  {
    name: "student",
    source: student.source,
    prompt: formatPrompt(student.turns[0], student.format),
    expects: "height instead of length; about 28 m/s",
    check: (answer) => /height|\bh\b/i.test(answer) && /\b2[78](\.\d+)?\b/.test(answer),
  },
  {
    name: "analogy",
    source: analogy.source,
    prompt: formatPrompt(analogy.turns[0], analogy.format),
    expects: "both things, in more than a sentence",
    check: (answer) =>
      /math/i.test(answer) && /lighthouse|light|ship/i.test(answer) && words(answer) >= 30,
  },
  {
    name: "print_prime",
    source: primes.source,
    prompt: formatPrompt(primes.turns[0], primes.format),
    expects: "prints 2, 3, 5, 7, 11, 13, 17, 19 for 20",
    check: async (answer, sandbox) => {
      const python = await sandbox();
      const { status, output } = await python.run(`${CODE}${answer}\n\nprint_prime(20)\n`);
      return (
        status === "passed" && (output.match(/\d+/g) ?? []).join(" ") === "2 3 5 7 11 13 17 19"
      );
    },
  },
  {
    name: "chat",
    source: chat.source,
    prompt: chatPrompt(
      chat.turns.map((text, i) => ({ role: i % 2 === 0 ? "user" : "assistant", text })),
    ),
    expects: "one turn with advice",
    check: (answer) => words(answer) >= 5 && !/^(Alice|Bob):/m.test(answer),
  },
];

export interface SuiteAnswer {
  name: string;
  source: string;
  prompt: string;
  answer: string;
  expects: string;
  passed: boolean;
}

/** Asks a model one of the prompts; greedy, so that the answer is the same each time. */
export async function askPrompt(
  model: LanguageModel,
  { name, source, prompt, expects, check }: SuitePrompt,
  {
    sandbox,
    maxTokens,
    signal,
  }: { sandbox: () => Promise<PythonSandbox>; maxTokens: number; signal: AbortSignal },
): Promise<SuiteAnswer> {
  const options = { maxTokens, temperature: 0, stop: [...prompt.stop], signal };
  const { text } = await model.complete(prompt.prompt, options);
  const passed = await check(text, sandbox);
  return { name, source, prompt: prompt.prompt, answer: text, expects, passed };
}
