/**
 * SQuAD 2.0 (Rajpurkar et al. 2018, arXiv 1806.03822): a passage, a question, and perhaps no answer. Scored as the official
 * script does. lm-evaluation-harness has the task without examples only; here they are other questions of the same split.
 */
import { z } from "zod";
import { columns, text, texts } from "../fields.ts";
import type { Item, Metric, Row, Scores, Task } from "../task.ts";
import { jsonList } from "./forms.ts";
import { DEFAULT_MAX_TOKENS, textOf } from "./generation.ts";

const squadColumns = z.object({
  title: text,
  context: text,
  question: text,
  answers: z.object({ text: texts }),
});

const form = z.object({
  title: text,
  paragraphs: z.array(
    z.object({
      context: text,
      qas: z.array(z.object({ id: text, question: text, answers: z.array(z.object({ text })) })),
    }),
  ),
});

function fromForm(file: string): Row[] {
  return jsonList(file).flatMap((article) => {
    const { title, paragraphs } = columns(form, article, "squadv2");
    return paragraphs.flatMap(({ context, qas }) =>
      qas.map(({ id, question, answers }) => ({
        id,
        title,
        context,
        question,
        answers: { text: answers.map((answer) => answer.text) },
      })),
    );
  });
}

const mean = (name: string): Metric => ({
  key: `${name},none`,
  aggregation: "mean",
  higherIsBetter: true,
});
const best = (name: string): Metric => ({ ...mean(name), aggregation: "squad_best" });

export const squad: Task = {
  name: "squadv2",
  version: 3,
  data: {
    hub: "lighteval/squad_v2",
    licence: "CC BY-SA 4.0",
    folder: "squad_v2",
    forms: { validation: { file: "dev-v2.0.json", rows: fromForm } },
  },
  split: "validation",
  shots: 0,
  fewShot: { sampler: "random", split: "validation", excludesItem: true },
  description: "",
  metrics: [
    ...["exact", "f1", "HasAns_exact", "HasAns_f1", "NoAns_exact", "NoAns_f1"].map(mean),
    ...["best_exact", "best_f1"].map(best),
  ],
  item: squadItem,
};

function squadItem(row: Row): Item {
  const { title, context, question, answers } = columns(squadColumns, row, "squadv2");
  const prompt = `Title: ${title}\n\nBackground: ${context}\n\nQuestion: ${question}\n\nAnswer:`;
  const target = answers.text[0] ?? "unanswerable";
  return {
    example: `${prompt}  ${target}`, // the harness puts a space before a target that begins with one
    target,
    requests: (before) => [
      {
        type: "generate_until",
        context: before + prompt,
        until: ["\n"],
        maxTokens: DEFAULT_MAX_TOKENS,
      },
      { type: "loglikelihood", context: before + prompt, continuation: " unanswerable" },
    ],
    score: ([generated, unanswerable]): Scores => {
      const given = textOf(generated === undefined ? [] : [generated]);
      const golds = answers.text.filter((answer) => normalize(answer) !== "");
      const all = golds.length === 0 ? [""] : golds;
      const exact = Math.max(...all.map((gold) => Number(normalize(gold) === normalize(given))));
      const f1 = Math.max(...all.map((gold) => overlap(gold, given)));
      const hasAnswer = answers.text.length > 0;
      const noAnswer =
        unanswerable !== undefined && "logprob" in unanswerable
          ? Math.exp(unanswerable.logprob)
          : 0;
      const sweep = (score: number): number[] => [
        score,
        noAnswer,
        Number(hasAnswer),
        Number(given !== ""),
      ];
      const kind = hasAnswer ? "HasAns" : "NoAns";
      // The official script counts an answer as none where the probability of none is above its threshold, 1.
      return {
        "exact,none": 100 * exact,
        "f1,none": 100 * f1,
        [`${kind}_exact,none`]: 100 * exact,
        [`${kind}_f1,none`]: 100 * f1,
        "best_exact,none": sweep(exact),
        "best_f1,none": sweep(f1),
      };
    },
  };
}

/** Small letters, no punctuation, no articles, single spaces. */
function normalize(answer: string): string {
  return answer
    .toLowerCase()
    .replace(/[!-/:-@[-`{-~]/g, "")
    .replace(/\b(a|an|the)\b/gu, " ")
    .split(/\s+/)
    .filter((word) => word !== "")
    .join(" ");
}

/** Harmonic mean of precision and recall over words. */
function overlap(gold: string, given: string): number {
  const [expected, found] = [gold, given].map((answer) =>
    normalize(answer)
      .split(" ")
      .filter((word) => word !== ""),
  ) as [string[], string[]];
  if (expected.length === 0 || found.length === 0) return Number(expected.length === found.length);
  const left = new Map<string, number>();
  for (const word of expected) left.set(word, (left.get(word) ?? 0) + 1);
  let same = 0;
  for (const word of found) {
    const count = left.get(word) ?? 0;
    if (count > 0) same++;
    left.set(word, count - 1);
  }
  if (same === 0) return 0;
  const [precision, recall] = [same / found.length, same / expected.length];
  return (2 * precision * recall) / (precision + recall);
}
