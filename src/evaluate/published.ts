/** What is published about Phi and its peers, to stand beside a run. Shares, not percents. */

export interface Published {
  model: string;
  /** Billions of parameters. */
  size: number;
  /** Billions of tokens that it was trained on, repeated ones included; absent where it is not known. */
  tokens?: number;
  scores: Readonly<Record<string, number>>;
  source: string;
}

/** Microsoft Research, 12 December 2023, "Phi-2: The surprising power of small language models", table 1. */
const PHI2_REPORT = "Phi-2 report, table 1 (Microsoft Research, December 2023)";
/** Li et al. 2023, arXiv 2309.05463, tables 2 to 4; zero-shot. */
const PHI15_REPORT = "Phi-1.5 report, tables 2–4 (arXiv 2309.05463)";
/** Gunasekar et al. 2023, arXiv 2306.11644, table 1. */
const PHI1_REPORT = "Phi-1 paper, table 1 (arXiv 2306.11644)";

const groups = (
  model: string,
  size: number,
  [bbh, commonsense, language, math, coding]: readonly [number, number, number, number, number],
  tokens: number | undefined,
): Published => ({
  model,
  size,
  ...(tokens === undefined ? {} : { tokens }),
  scores: {
    phi2_bbh: bbh,
    phi2_commonsense: commonsense,
    phi2_language: language,
    phi2_math: math,
    phi2_coding: coding,
  },
  source: PHI2_REPORT,
});

export const PUBLISHED: readonly Published[] = [
  groups("Phi-2", 2.7, [0.592, 0.688, 0.62, 0.611, 0.537], 1400),
  groups("Llama-2 7B", 7, [0.4, 0.622, 0.567, 0.165, 0.21], 2000),
  groups("Llama-2 13B", 13, [0.478, 0.65, 0.619, 0.342, 0.254], 2000),
  groups("Llama-2 70B", 70, [0.665, 0.692, 0.676, 0.641, 0.383], 2000),
  groups("Mistral 7B", 7, [0.572, 0.664, 0.637, 0.464, 0.394], undefined),
  {
    model: "Phi-1.5",
    size: 1.3,
    tokens: 150,
    scores: {
      winogrande: 0.734,
      arc_easy: 0.756,
      arc_challenge: 0.444,
      boolq: 0.758,
      social_iqa: 0.526,
      piqa: 0.766,
      hellaswag: 0.476,
      openbookqa: 0.372,
      humaneval: 0.341,
      mbpp: 0.377,
    },
    source: PHI15_REPORT,
  },
  {
    model: "Llama-2 7B",
    size: 7,
    tokens: 2000,
    scores: {
      winogrande: 0.691,
      arc_easy: 0.763,
      arc_challenge: 0.434,
      boolq: 0.779,
      social_iqa: 0.48,
      piqa: 0.781,
      hellaswag: 0.571,
      openbookqa: 0.314,
    },
    source: PHI15_REPORT,
  },
  {
    model: "Phi-1",
    size: 1.3,
    tokens: 51,
    scores: { humaneval: 0.506, mbpp: 0.555 },
    source: PHI1_REPORT,
  },
];

/** Those that say something about a task or a group. */
export function publishedFor(
  name: string,
): { model: string; value: number; source: string; size: number; tokens?: number }[] {
  return PUBLISHED.flatMap(({ model, scores, source, size, tokens }) => {
    const value = scores[name];
    if (value === undefined) return [];
    return [{ model, value, source, size, ...(tokens === undefined ? {} : { tokens }) }];
  });
}
