/** What completions and chat have in common: asking the model, and what every answer says about how it was made. */
import { randomUUID } from "node:crypto";
import { LabError } from "../../base/errors.ts";
import { packageVersion } from "../../base/package.ts";
import type { FinishReason } from "../../generate/generate.ts";
import { eventStream } from "../http/event-stream.ts";
import { EVENTS_TYPE, type RouteContext } from "../http/route.ts";
import type { CompleteArguments, CompleteEvent, CompleteResult } from "../worker/complete.ts";
import type { WorkerFacts } from "../worker/protocol.ts";
import { IGNORED_KEYS } from "./schemas.ts";

/** Texts of one request, over all prompts and choices. */
const MAX_TEXTS = 1024;

export type Ask = Omit<CompleteArguments, "adapter" | "client">;

/** Fields that every answer begins with. */
export interface AnswerHead {
  id: string;
  object: string;
  created: number;
  model: string;
  system_fingerprint: string;
  /** Whether the same request gives the same text beside whatever else is asked. */
  deterministic: boolean;
}

export interface Asked {
  head: AnswerHead;
  events: AsyncIterable<CompleteEvent>;
  result: Promise<CompleteResult>;
  cancel: () => void;
}

/** Begins to ask a model; resolves when it has taken the request. Throws what is wrong with it. */
export async function ask(
  { fleet, client, signal }: RouteContext,
  {
    model: name,
    ask: args,
    object,
    idPrefix,
  }: { model: string | null | undefined; ask: Ask; object: string; idPrefix: string },
): Promise<Asked> {
  const texts = args.prompts.length * args.n;
  if (texts > MAX_TEXTS)
    throw new LabError(
      "bad_input",
      `the request asks for ${texts} texts; ${MAX_TEXTS} are allowed`,
    );
  const { model, adapter } = await fleet.use(name ?? undefined);
  const facts = await model.facts();
  const stop = new AbortController();
  const events: CompleteEvent[] = [];
  let wake = (): void => undefined;
  let isOver = false;
  let accept: () => void = () => undefined;
  const accepted = new Promise<void>((resolve) => (accept = resolve));
  const result = model
    .call(
      "complete",
      { ...args, adapter, client },
      {
        signal: AbortSignal.any([signal, stop.signal]),
        onEvent: (event) => {
          if (event.kind === "accepted") accept();
          else events.push(event);
          wake();
        },
      },
    )
    .finally(() => {
      isOver = true;
      wake();
    });
  result.catch(() => undefined); // told by whoever reads the events
  await Promise.race([accepted, result]);
  async function* read(): AsyncGenerator<CompleteEvent, void, undefined> {
    for (;;) {
      while (events.length > 0) yield events.shift() as CompleteEvent;
      if (isOver) break;
      await new Promise<void>((resolve) => (wake = resolve));
    }
    await result;
  }
  return {
    head: {
      id: `${idPrefix}-${randomUUID()}`,
      object,
      created: Math.floor(Date.now() / 1000),
      model: model.id,
      system_fingerprint: fingerprint(facts),
      deterministic: facts.deterministic,
    },
    ...{ events: read(), result, cancel: () => stop.abort(new LabError("interrupted", "left")) },
  };
}

/** What decides over a text beside the request: the weights, the program, how it computes. */
function fingerprint({ modelHash, mode, threads, device }: WorkerFacts): string {
  return `philab-${packageVersion()}-${modelHash.slice(0, 12)}-${mode}-${device}-t${threads}`;
}

export interface Usage {
  prompt_tokens: number;
  completion_tokens: number;
  total_tokens: number;
  prompt_tokens_details: { cached_tokens: number };
}

export function usageOf({ promptTokens, completionTokens, cachedTokens }: CompleteResult): Usage {
  return {
    prompt_tokens: promptTokens,
    completion_tokens: completionTokens,
    total_tokens: promptTokens + completionTokens,
    prompt_tokens_details: { cached_tokens: cachedTokens },
  };
}

export function finishReason(reason: FinishReason): "stop" | "length" {
  return reason === "length" ? "length" : "stop";
}

/** A stream of chunks: those that `chunksOf` makes of each event, then, where wanted, one with the usage. */
export function streamAnswer(
  { head, events, result, cancel }: Asked,
  {
    first = [],
    chunksOf,
    includeUsage,
    headers,
  }: {
    first?: readonly object[];
    chunksOf: (event: CompleteEvent) => readonly object[];
    includeUsage: boolean;
    headers: Record<string, string>;
  },
): Response {
  const usage = includeUsage ? { usage: null } : {};
  return eventStream(
    async ({ send }) => {
      for (const choice of first) send({ ...head, choices: [choice], ...usage });
      for await (const event of events)
        for (const choice of chunksOf(event)) send({ ...head, choices: [choice], ...usage });
      const found = await result;
      if (includeUsage) send({ ...head, choices: [], usage: usageOf(found), seed: found.seed });
    },
    { last: "[DONE]", onCancel: cancel, headers: { ...headers, "content-type": EVENTS_TYPE } },
  );
}

/** Names the fields that were taken and mean nothing here. */
export function ignoredHeader(body: Readonly<Record<string, unknown>>): Record<string, string> {
  const names = IGNORED_KEYS.filter((key) => body[key] !== undefined);
  return names.length === 0 ? {} : { "x-ignored-params": names.join(", ") };
}
