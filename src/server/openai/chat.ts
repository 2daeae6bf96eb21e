/** `POST /v1/chat/completions`: a conversation in one of the prompt formats of the Phi cards. */
import {
  chatPrompt,
  formatPrompt,
  type ChatTurn,
  type FormattedPrompt,
} from "../../generate/prompt.ts";
import { HttpError } from "../http/errors.ts";
import { defineRoute, EVENTS_TYPE, JSON_TYPE } from "../http/route.ts";
import type { CompleteEvent } from "../worker/complete.ts";
import { ask, finishReason, ignoredHeader, streamAnswer, usageOf, type Asked } from "./answer.ts";
import { chatLogprobs } from "./logprobs.ts";
import { chatRequest, samplingOf, type ChatMessage, type ChatRequest } from "./schemas.ts";

const MAX_STOPS = 20;

export const chat = defineRoute({
  method: "POST",
  path: "/v1/chat/completions",
  summary: "Answer the last turn of a conversation",
  body: chatRequest,
  answers: [JSON_TYPE, EVENTS_TYPE],
  async handle(context, body) {
    const { prompt, stop } = promptOf(body);
    const wantsLogprobs = body.logprobs === true;
    if (!wantsLogprobs && (body.top_logprobs ?? 0) > 0)
      throw new HttpError(400, "top_logprobs needs logprobs: true", { param: "top_logprobs" });
    const maxTokens = body.max_completion_tokens ?? body.max_tokens ?? undefined;
    const own = typeof body.stop === "string" ? [body.stop] : (body.stop ?? []);
    const sampling = samplingOf(
      { ...body, stop: [...own, ...stop].slice(0, MAX_STOPS) },
      { maxTokens, logprobs: wantsLogprobs ? (body.top_logprobs ?? 0) : 0 },
    );
    const asked = await ask(context, {
      model: body.model,
      object: body.stream === true ? "chat.completion.chunk" : "chat.completion",
      idPrefix: "chatcmpl",
      ask: {
        ...{ prompts: [prompt], n: body.n ?? 1, readOnly: false, promptTop: undefined },
        ...{ echo: false, sampling },
      },
    });
    const headers = ignoredHeader(body);
    if (body.stream !== true) return wholeAnswer(asked, { prompt, wantsLogprobs, headers });
    const begun = new Set<number>();
    return streamAnswer(asked, {
      includeUsage: body.stream_options?.include_usage === true,
      headers,
      first: Array.from({ length: body.n ?? 1 }, (_, index) => ({
        ...{ index, delta: { role: "assistant", content: "" } },
        ...{ logprobs: null, finish_reason: null },
      })),
      chunksOf: (event) => chunksOf(event, { begun, wantsLogprobs }),
    });
  },
});

/** The prompt of a conversation, and the texts that end an answer in its format. */
function promptOf({ messages, prompt_format }: ChatRequest): FormattedPrompt {
  const turns = messages.map((message): ChatTurn => ({
    role: message.role === "developer" ? "system" : message.role,
    text: textOf(message),
  }));
  const format = prompt_format ?? "chat";
  if (format === "chat") return chatPrompt(turns);
  const [only, ...more] = turns;
  if (only?.role !== "user" || more.length > 0)
    throw new HttpError(400, `the prompt format ${format} takes one turn of the user`, {
      param: "prompt_format",
      hint: "The format chat takes conversations.",
    });
  return formatPrompt(only.text, format);
}

function textOf({ content }: ChatMessage): string {
  return typeof content === "string" ? content : content.map(({ text }) => text).join("");
}

async function wholeAnswer(
  { head, events, result }: Asked,
  {
    prompt,
    wantsLogprobs,
    headers,
  }: { prompt: string; wantsLogprobs: boolean; headers: Record<string, string> },
): Promise<Response> {
  const choices: { content: string; tokens: object[]; finish_reason: string }[] = [];
  for await (const event of events) {
    if (event.kind !== "token") continue;
    const choice = (choices[event.choice] ??= { content: "", tokens: [], finish_reason: "length" });
    choice.content += event.text;
    choice.tokens.push(chatLogprobs(event.token));
    if (event.finishReason !== undefined) choice.finish_reason = finishReason(event.finishReason);
  }
  const found = await result;
  return Response.json(
    {
      ...head,
      seed: found.seed,
      /** What the model read. */
      prompt,
      choices: choices.map(({ content, tokens, finish_reason }, index) => ({
        index,
        // The format has a space, or a line, before the answer.
        message: { role: "assistant", content: content.trimStart(), refusal: null },
        logprobs: wantsLogprobs ? { content: tokens, refusal: null } : null,
        finish_reason,
      })),
      usage: usageOf(found),
    },
    { headers },
  );
}

function chunksOf(
  event: CompleteEvent,
  { begun, wantsLogprobs }: { begun: Set<number>; wantsLogprobs: boolean },
): object[] {
  if (event.kind !== "token") return [];
  const { choice: index, token } = event;
  const text = begun.has(index) ? event.text : event.text.trimStart();
  if (text !== "") begun.add(index);
  const reason = event.finishReason === undefined ? null : finishReason(event.finishReason);
  const logprobs = wantsLogprobs ? { content: [chatLogprobs(token)], refusal: null } : null;
  const delta = text === "" ? {} : { content: text };
  const chunks: object[] = [];
  if (text !== "" || logprobs !== null)
    chunks.push({ index, delta, logprobs, finish_reason: null });
  if (reason !== null) chunks.push({ index, delta: {}, logprobs: null, finish_reason: reason });
  return chunks;
}
