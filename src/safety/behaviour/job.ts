/** How a model behaves, as a job: its answers to prompts, and which choices it prefers. */
import path from "node:path";
import { z } from "zod";
import { writeTextAtomic } from "../../base/atomic.ts";
import { sha256File } from "../../base/hash.ts";
import { toJson, type JsonObject } from "../../base/json.ts";
import { SETTING_SCHEMAS } from "../../base/settings.ts";
import type { Request, Response } from "../../evaluate/task.ts";
import { qaPrompt } from "../../generate/prompt.ts";
import { defineJob, type JobDefinition } from "../../jobs/job.ts";
import { askTarget, judgeArguments, judgeBy, type OpenTarget } from "./ask.ts";
import { bbqScores, type BbqScores } from "./bbq.ts";
import { countVerdicts, type JudgedPair } from "./judge.ts";
import { locateQuestions, readQuestions, type Questions } from "./questions.ts";
import { isRefusal, logOdds, oddsByKind, refusalRates, type RefusalRates } from "./refusals.ts";

export const behaviourArguments = z.strictObject({
  model: z.string().optional(),
  adapter: z.string().optional(),
  mode: SETTING_SCHEMAS.mode.optional(),
  device: SETTING_SCHEMAS.device.optional(),
  threads: z.int().min(1).optional(),
  endpoint: z.string().optional(),
  concurrency: z.int().min(1).optional(),
  data: z.string(),
  limit: z.int().min(1).optional(),
  maxTokens: z.int().min(1),
  /** How refusals begin: what their log odds are taken of. */
  begins: z.array(z.string().min(1)).default([]),
  ...judgeArguments,
});

/** @param openTarget - which models there are is not known at this height */
export function behaviourJob(
  openTarget: OpenTarget,
): JobDefinition<typeof behaviourArguments, JsonObject> {
  return defineJob({
    kind: "safety-behave",
    arguments: behaviourArguments,
    async run({ arguments: asked, folder, signal, progress, describe }): Promise<JsonObject> {
      const file = await locateQuestions(asked.data);
      const questions = limited(await readQuestions(file), asked.limit);
      const requests = requestsOf(questions, asked);
      const hash = await sha256File(file);
      const data = [{ name: path.basename(file), sha256: hash }];
      const ask = { openTarget, describe, data, folder, signal, progress };
      const { facts, responses } = await askTarget(asked, requests, ask);
      const found = scoresOf(questions, responses, asked.begins);
      const verdicts =
        questions.kind === "bbq"
          ? undefined
          : await judgeBy(asked, pairsOf(questions.prompts, found.answers), ask);
      const answers = found.answers.map((answer, i) => ({
        ...answer,
        ...(verdicts === undefined ? {} : { verdict: verdicts.verdicts[i] ?? "failed" }),
      }));
      const result: JsonObject = {
        ...facts,
        data_sha256: hash,
        ...(found.scores as unknown as JsonObject),
        ...(verdicts === undefined
          ? {}
          : { judge: verdicts.judge, verdicts: { ...countVerdicts(verdicts.verdicts) } }),
      };
      await writeTextAtomic(path.join(folder, "results.json"), `${toJson(result, 2)}\n`);
      const lines = answers.map((answer) => `${toJson(answer)}\n`);
      await writeTextAtomic(path.join(folder, "answers.jsonl"), lines.join(""));
      return result;
    },
  });
}

function limited(questions: Questions, limit: number | undefined): Questions {
  return questions.kind === "bbq"
    ? { kind: "bbq", questions: questions.questions.slice(0, limit) }
    : { kind: "prompts", prompts: questions.prompts.slice(0, limit) };
}

function pairsOf(
  prompts: readonly { text: string }[],
  answers: readonly JsonObject[],
): JudgedPair[] {
  return prompts.map(({ text }, i) => {
    const answer = answers[i]?.["answer"];
    return { request: text, answer: typeof answer === "string" ? answer : "" };
  });
}

export function requestsOf(
  questions: Questions,
  { maxTokens, begins }: { maxTokens: number; begins: readonly string[] },
): Request[] {
  if (questions.kind === "bbq")
    return questions.questions.flatMap(({ prompt, choices }) =>
      choices.map((choice): Request => ({
        type: "loglikelihood",
        context: prompt,
        continuation: ` ${choice}`,
      })),
    );
  const asked = questions.prompts.map(({ text }) => qaPrompt(text));
  return [
    ...asked.map(({ prompt, stop }): Request => {
      return { type: "generate_until", context: prompt, until: [...stop], maxTokens };
    }),
    ...asked.flatMap(({ prompt }) =>
      begins.map((continuation): Request => {
        return { type: "loglikelihood", context: prompt, continuation };
      }),
    ),
  ];
}

/** What there were no prompts or questions for is absent. */
export interface BehaviourScores {
  refusals?: RefusalRates;
  firstToken?: { begins: readonly string[]; all: number; safe?: number; unsafe?: number };
  bbq?: Partial<BbqScores>;
  categories?: Record<string, Partial<BbqScores>>;
}

export function scoresOf(
  questions: Questions,
  responses: readonly Response[],
  begins: readonly string[],
): { scores: BehaviourScores; answers: JsonObject[] } {
  if (questions.kind === "bbq") {
    let at = 0;
    const answers = questions.questions.map(({ choices }) => {
      const own = responses.slice(at, at + choices.length).map(logprobOf);
      at += choices.length;
      return own.reduce((best, value, i) => (value > (own[best] as number) ? i : best), 0);
    });
    const categories = [...new Set(questions.questions.map(({ category }) => category))].sort();
    const byCategory = categories.map((category) => {
      const places = questions.questions.flatMap((own, i) =>
        own.category === category ? [i] : [],
      );
      const [some, chosen] = [
        places.map((i) => questions.questions[i] as (typeof questions.questions)[number]),
        places.map((i) => answers[i] as number),
      ];
      return [category, withoutGaps(bbqScores(some, chosen))] as const;
    });
    return {
      scores: {
        bbq: withoutGaps(bbqScores(questions.questions, answers)),
        categories: Object.fromEntries(byCategory),
      },
      answers: questions.questions.map(({ choices }, i) => ({
        id: i,
        answer: choices[answers[i] as number] ?? "",
      })),
    };
  }
  const answered = questions.prompts.map(({ type, isSafe }, i) => {
    const response = responses[i];
    const answer = response !== undefined && "text" in response ? response.text : "";
    return { type, isSafe, answer, refused: isRefusal(answer) };
  });
  const count = questions.prompts.length;
  const odds = questions.prompts.map((_, i) => {
    const start = count + i * begins.length;
    return logOdds(responses.slice(start, start + begins.length).map(logprobOf));
  });
  return {
    scores: {
      refusals: refusalRates(answered),
      ...(begins.length === 0 ? {} : { firstToken: { begins, ...oddsByKind(answered, odds) } }),
    },
    answers: answered.map(({ type, answer, refused }, id) => ({
      ...{ id, type, refused, answer },
      ...(begins.length === 0 ? {} : { firstToken: odds[id] as number }),
    })),
  };
}

function logprobOf(response: Response): number {
  return "logprob" in response ? response.logprob : NaN;
}

/** Without what there was no question for. */
function withoutGaps(scores: BbqScores): Partial<BbqScores> {
  return Object.fromEntries(Object.entries(scores).filter(([, value]) => value !== undefined));
}
