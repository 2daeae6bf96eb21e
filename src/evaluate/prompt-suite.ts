/**
 * Prompts that the Phi-2 report and the model cards show, with what can be checked in an answer. A check is no grade: it finds
 * answers that are surely wrong, and a person reads the rest.
 */
import { codePrompt, chatPrompt, qaPrompt, type FormattedPrompt } from "../generate/prompt.ts";
import type { LanguageModel } from "../generate/language-model.ts";
import type { PythonSandbox } from "../sandbox/index.ts";

export interface SuitePrompt {
  name: string;
  source: string;
  prompt: FormattedPrompt;
  /** What a right answer shows, in words. */
  expects: string;
  check: (answer: string, sandbox: () => Promise<PythonSandbox>) => boolean | Promise<boolean>;
}

const BLOG = "Phi-2 report (Microsoft Research, December 2023)";
const CARD = "Phi-2 model card";

const SKIER =
  "A skier slides down a frictionless slope of height 40m and length 80m. What's the skier's speed at the bottom?";

const MISTAKE = `${SKIER} A student answered: "The potential energy at the top is E = mgL with L = 80 m. At the bottom it is all kinetic: mgL = mv²/2, so v = sqrt(2 · 9.81 · 80) = 39.6 m/s." Is the answer right? If not, what is the mistake, and what is the right speed?`;

const CODE = 'def print_prime(n):\n   """\n   Print all primes between 1 and n\n   """';

const CONVERSATION: readonly [user: string, assistant: string][] = [
  [
    "I don't know why, I'm struggling to maintain focus while studying. Any suggestions?",
    "Well, have you tried creating a study schedule and sticking to it?",
  ],
  [
    "Yes, I have, but it doesn't seem to help much.",
    "Hmm, maybe you should try studying in a quiet environment, like the library.",
  ],
];

const words = (answer: string): number => answer.trim().split(/\s+/).length;

export const PROMPT_SUITE: readonly SuitePrompt[] = [
  {
    name: "skier",
    source: BLOG,
    prompt: qaPrompt(SKIER),
    expects: "v = √(2gh) ≈ 28 m/s",
    check: (answer) =>
      /\b2[78](\.\d+)?\s*(m\/s|meters? per second|metres? per second)/i.test(answer),
  },
  {
    name: "student",
    source: BLOG,
    prompt: qaPrompt(MISTAKE),
    expects: "height instead of length; about 28 m/s",
    check: (answer) => /height|\bh\b/i.test(answer) && /\b2[78](\.\d+)?\b/.test(answer),
  },
  {
    name: "analogy",
    source: CARD,
    prompt: qaPrompt("Write a detailed analogy between mathematics and a lighthouse."),
    expects: "both things, in more than a sentence",
    check: (answer) =>
      /math/i.test(answer) && /lighthouse|light|ship/i.test(answer) && words(answer) >= 30,
  },
  {
    name: "print_prime",
    source: CARD,
    prompt: codePrompt(CODE),
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
    source: CARD,
    prompt: chatPrompt([
      ...CONVERSATION.flatMap(([user, assistant]) => [
        { role: "user" as const, text: user },
        { role: "assistant" as const, text: assistant },
      ]),
      { role: "user", text: "I tried that too. What else?" },
    ]),
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
