/** `POST /v1/completions`: the endpoint of base models, with log-probabilities of prompts. */
import { HttpError } from "../http/errors.ts";
import { defineRoute, EVENTS_TYPE, JSON_TYPE } from "../http/route.ts";
import type { CompleteEvent, WrittenToken } from "../worker/complete.ts";
import { ask, finishReason, ignoredHeader, streamAnswer, usageOf, type Asked } from "./answer.ts";
import { LogprobsWriter, type CompletionLogprobs } from "./logprobs.ts";
import { completionRequest, promptsOf, samplingOf, type CompletionRequest } from "./schemas.ts";

/** OpenAI's default. */
const DEFAULT_MAX_TOKENS = 16;

export const completions = defineRoute({
  method: "POST",
  path: "/v1/completions",
  summary: "Continue prompts; with echo and logprobs, score them",
  body: completionRequest,
  answers: [JSON_TYPE, EVENTS_TYPE],
  async handle(context, body) {
    const { n, bestOf } = choicesOf(body);
    const { logprobs, echo } = body;
    const maxTokens = body.max_tokens ?? DEFAULT_MAX_TOKENS;
    const wantsLogprobs = logprobs !== undefined && logprobs !== null;
    const asked = await ask(context, {
      model: body.model,
      ...{ object: "text_completion", idPrefix: "cmpl" },
      ask: {
        prompts: promptsOf(body.prompt),
        n: bestOf,
        readOnly: maxTokens === 0,
        promptTop: echo === true && wantsLogprobs ? logprobs : undefined,
        echo: echo === true,
        sampling: samplingOf(body, {
          maxTokens: Math.max(1, maxTokens),
          logprobs: logprobs ?? 0,
        }),
      },
    });
    const headers = ignoredHeader(body);
    if (body.stream !== true) return wholeAnswer(asked, { n, bestOf, wantsLogprobs, headers });
    const writers = new Map<number, LogprobsWriter>();
    return streamAnswer(asked, {
      includeUsage: body.stream_options?.include_usage === true,
      headers,
      chunksOf: (event) =>
        chunksOf(event, { writers, wantsLogprobs, echo: echo === true, readOnly: maxTokens === 0 }),
    });
  },
});

function choicesOf(body: CompletionRequest): { n: number; bestOf: number } {
  const n = body.n ?? 1;
  const bestOf = body.best_of ?? n;
  if (bestOf < n)
    throw new HttpError(400, `best_of is ${bestOf}, n is ${n}: there are too few to choose from`, {
      param: "best_of",
    });
  if (bestOf > n && body.stream === true)
    throw new HttpError(400, "best_of chooses when all are there: it cannot be streamed", {
      param: "best_of",
    });
  return { n, bestOf };
}

interface Choice {
  text: string;
  tokens: Parameters<LogprobsWriter["write"]>[0][number][];
  written: WrittenToken[];
  finish_reason: "stop" | "length";
}

async function wholeAnswer(
  { head, events, result }: Asked,
  {
    n,
    bestOf,
    wantsLogprobs,
    headers,
  }: { n: number; bestOf: number; wantsLogprobs: boolean; headers: Record<string, string> },
): Promise<Response> {
  const choices: Choice[] = [];
  for await (const event of events) {
    if (event.kind === "accepted") continue;
    const choice = (choices[event.choice] ??= {
      ...{ text: "", tokens: [], written: [], finish_reason: "length" },
    });
    choice.text += event.text;
    if (event.kind === "read") choice.tokens.push(...event.tokens);
    else {
      choice.tokens.push(event.token);
      choice.written.push(event.token);
      if (event.finishReason !== undefined) choice.finish_reason = finishReason(event.finishReason);
    }
  }
  const found = await result;
  const kept: Choice[] = [];
  for (let start = 0; start < choices.length; start += bestOf)
    kept.push(...likeliest(choices.slice(start, start + bestOf), n));
  return Response.json(
    {
      ...head,
      seed: found.seed,
      choices: kept.map(({ text, tokens, finish_reason }, index) => ({
        ...{ index, text, finish_reason },
        logprobs: wantsLogprobs ? new LogprobsWriter().write(tokens) : null,
      })),
      usage: usageOf(found),
    },
    { headers },
  );
}

/** The `n` choices with the largest log-probability per token; all in their order where there are no more. */
function likeliest(choices: readonly Choice[], n: number): Choice[] {
  if (choices.length <= n) return [...choices];
  const mean = ({ written }: Choice): number =>
    written.reduce((sum, { logprob }) => sum + logprob, 0) / Math.max(1, written.length);
  return [...choices].sort((a, b) => mean(b) - mean(a)).slice(0, n);
}

interface Chunk {
  index: number;
  text: string;
  logprobs: CompletionLogprobs | null;
  finish_reason: "stop" | "length" | null;
}

function chunksOf(
  event: CompleteEvent,
  {
    writers,
    wantsLogprobs,
    echo,
    readOnly,
  }: {
    writers: Map<number, LogprobsWriter>;
    wantsLogprobs: boolean;
    echo: boolean;
    readOnly: boolean;
  },
): Chunk[] {
  if (event.kind === "accepted") return [];
  const { choice: index, text } = event;
  const writer = writers.get(index) ?? new LogprobsWriter();
  writers.set(index, writer);
  if (event.kind === "read") {
    if (!echo) return [];
    const logprobs = wantsLogprobs ? writer.write(event.tokens) : null;
    return [{ index, text, logprobs, finish_reason: readOnly ? "length" : null }];
  }
  const reason = event.finishReason === undefined ? null : finishReason(event.finishReason);
  const logprobs = wantsLogprobs ? writer.write([event.token]) : null;
  // A character that is not complete, or what may become a stop text, says nothing yet.
  if (text === "" && reason === null && logprobs === null) return [];
  return [{ index, text, logprobs, finish_reason: reason }];
}
