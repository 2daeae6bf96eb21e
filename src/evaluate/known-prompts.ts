/** The prompts that the Phi-2 report and the model cards show, as people type them. */
import type { PromptFormat } from "../generate/prompt.ts";

export interface KnownPrompt {
  title: string;
  source: string;
  format: PromptFormat;
  /** The user's turn; of a conversation the turns of both, the user's first and last. */
  turns: readonly string[];
}

const BLOG = "Phi-2 report (Microsoft Research, December 2023)";
const CARD = "Phi-2 model card";

const SKIER =
  "A skier slides down a frictionless slope of height 40m and length 80m. What's the skier's speed at the bottom?";

export const KNOWN_PROMPTS = {
  skier: {
    title: "A skier's speed",
    source: BLOG,
    format: "qa",
    turns: [SKIER],
  },
  student: {
    title: "A student's mistake",
    source: BLOG,
    format: "qa",
    turns: [
      `${SKIER} A student answered: "The potential energy at the top is E = mgL with L = 80 m. At the bottom it is all kinetic: mgL = mv²/2, so v = sqrt(2 · 9.81 · 80) = 39.6 m/s." Is the answer right? If not, what is the mistake, and what is the right speed?`,
    ],
  },
  analogy: {
    title: "Mathematics and a lighthouse",
    source: CARD,
    format: "qa",
    turns: ["Write a detailed analogy between mathematics and a lighthouse."],
  },
  print_prime: {
    title: "Primes in Python",
    source: CARD,
    format: "code",
    turns: ['def print_prime(n):\n   """\n   Print all primes between 1 and n\n   """'],
  },
  chat: {
    title: "Focus while studying",
    source: CARD,
    format: "chat",
    turns: [
      "I don't know why, I'm struggling to maintain focus while studying. Any suggestions?",
      "Well, have you tried creating a study schedule and sticking to it?",
      "Yes, I have, but it doesn't seem to help much.",
      "Hmm, maybe you should try studying in a quiet environment, like the library.",
      "I tried that too. What else?",
    ],
  },
} as const satisfies Record<string, KnownPrompt>;
