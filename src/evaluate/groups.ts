/** The groups of the Phi-2 report, with its numbers of examples, and what is published about them. */
import { COMMONSENSE_TASKS } from "./tasks/commonsense.ts";
import { BBH_GROUP, BBH_TASKS } from "./tasks/bbh.ts";
import { CODE_TASKS } from "./tasks/code.ts";
import { GSM8K_TASKS } from "./tasks/gsm8k.ts";
import { MMLU_GROUPS, MMLU_TASKS } from "./tasks/mmlu.ts";
import { BLIMP_GROUP, BLIMP_TASKS, PERPLEXITY_TASKS } from "./tasks/perplexity.ts";
import { squad } from "./tasks/squad.ts";
import { TRUTHFULQA_TASKS } from "./tasks/truthfulqa.ts";
import type { Task, TaskGroup } from "./task.ts";

/** Accuracy or what stands for it, as a share; each member counts alike. */
const SCORE = {
  name: "score",
  keys: [
    "acc,none",
    "exact_match,get-answer",
    "exact_match,strict-match",
    "exact,none",
    "pass@1,create_test",
    "pass_at_1,none",
  ],
  weightBySize: false,
} as const;

/** Shots as the report says; none where it says nothing. The report takes plain accuracy (its averages fit no other). */
const PHI2_GROUPS: readonly TaskGroup[] = [
  {
    name: "phi2_bbh",
    title: "BBH",
    members: [{ task: "bbh_cot_fewshot", shots: 3 }],
    metric: SCORE,
  },
  {
    name: "phi2_commonsense",
    title: "Commonsense reasoning",
    members: ["piqa", "winogrande", "arc_easy", "arc_challenge", "social_iqa"].map((task) => ({
      task,
      shots: 0,
    })),
    metric: SCORE,
  },
  {
    name: "phi2_language",
    title: "Language understanding",
    members: [
      { task: "hellaswag", shots: 0 },
      { task: "openbookqa", shots: 0 },
      { task: "mmlu", shots: 5 },
      { task: "squadv2", shots: 2 },
      { task: "boolq", shots: 0 },
    ],
    metric: SCORE,
  },
  { name: "phi2_math", title: "Math", members: [{ task: "gsm8k", shots: 8 }], metric: SCORE },
  {
    name: "phi2_coding",
    title: "Coding",
    members: [
      { task: "humaneval", shots: 0 },
      { task: "mbpp", shots: 3 },
    ],
    metric: SCORE,
  },
];

export const TASKS: readonly Task[] = [
  ...COMMONSENSE_TASKS,
  ...GSM8K_TASKS,
  ...CODE_TASKS,
  ...TRUTHFULQA_TASKS,
  squad,
  ...PERPLEXITY_TASKS,
  ...MMLU_TASKS,
  ...BBH_TASKS,
  ...BLIMP_TASKS,
];

export const GROUPS: readonly TaskGroup[] = [
  { name: "phi2", members: PHI2_GROUPS.flatMap(({ members }) => members), metric: SCORE },
  ...PHI2_GROUPS,
  ...MMLU_GROUPS,
  BBH_GROUP,
  BLIMP_GROUP,
];
