/** How a model behaves, as a job: its answers to prompts, and which choices it prefers. */
import path from "node:path";
import { z } from "zod";
import { writeTextAtomic } from "../../base/atomic.ts";
import { sha256, sha256File } from "../../base/hash.ts";
import { toJson, type JsonObject } from "../../base/json.ts";
import { SETTING_SCHEMAS } from "../../base/settings.ts";
import { answerAll } from "../../evaluate/answer.ts";
import type { OpenedTarget } from "../../evaluate/job.ts";
import type { Request, Response } from "../../evaluate/task.ts";
import { qaPrompt } from "../../generate/prompt.ts";
import { defineJob, type JobDefinition } from "../../jobs/job.ts";
import { bbqScores } from "./bbq.ts";
import { readQuestions, type Questions } from "./questions.ts";
import { isRefusal, refusalRates } from "./refusals.ts";

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
});

/** @param openTarget - which models there are is not known at this height */
export function behaviourJob(
  openTarget: (asked: z.output<typeof behaviourArguments>) => Promise<OpenedTarget>,
): JobDefinition<typeof behaviourArguments, JsonObject> {
  return defineJob({
    kind: "safety-behave",
    arguments: behaviourArguments,
    async run({ arguments: asked, folder, signal, progress, describe }): Promise<JsonObject> {
      const questions = limited(await readQuestions(asked.data), asked.limit);
      const requests = requestsOf(questions, asked.maxTokens);
      await using opened = await openTarget(asked);
      const { target, engine } = opened;
      const hash = await sha256File(asked.data);
      await describe({
        data: [{ name: path.basename(asked.data), sha256: hash }],
        models: [{ reference: target.name }],
        ...(engine === undefined ? {} : { engine }),
      });
      const { units } = await target.plan(requests, { truncate: false });
      const responses = await answerAll(units, requests.length, {
        ...{ target, signal, folder },
        requests: sha256(toJson({ target: target.facts, requests: sha256(toJson(requests)) })),
        onProgress: (done, total) => progress(done, { total }),
      });
      const found = scoresOf(questions, responses);
      const result: JsonObject = {
        ...target.facts,
        target: target.name,
        data_sha256: hash,
        ...(found.scores as JsonObject),
      };
      await writeTextAtomic(path.join(folder, "results.json"), `${toJson(result, 2)}\n`);
      const lines = found.answers.map((answer) => `${toJson(answer)}\n`);
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

function requestsOf(questions: Questions, maxTokens: number): Request[] {
  if (questions.kind === "bbq")
    return questions.questions.flatMap(({ prompt, choices }) =>
      choices.map((choice): Request => ({
        type: "loglikelihood",
        context: prompt,
        continuation: ` ${choice}`,
      })),
    );
  return questions.prompts.map(({ text }): Request => {
    const { prompt, stop } = qaPrompt(text);
    return { type: "generate_until", context: prompt, until: [...stop], maxTokens };
  });
}

function scoresOf(
  questions: Questions,
  responses: readonly Response[],
): { scores: object; answers: JsonObject[] } {
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
  return {
    scores: { refusals: refusalRates(answered) },
    answers: answered.map(({ type, answer, refused }, id) => ({ id, type, refused, answer })),
  };
}

function logprobOf(response: Response): number {
  return "logprob" in response ? response.logprob : NaN;
}

/** Without what there was no question for. */
function withoutGaps(scores: object): object {
  return Object.fromEntries(Object.entries(scores).filter(([, value]) => value !== undefined));
}
