/**
 * A client of OpenAI-compatible completion endpoints (vLLM, llama.cpp, Azure, philab's own): asks again where asking again
 * helps, waits where it is told to wait, and never takes nonsense for an answer.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import { LabError } from "../base/errors.ts";

export interface EndpointOptions {
  /** Up to and with the version: `http://localhost:8000/v1`. */
  url: string;
  /** The model's name there. */
  model: string;
  apiKey?: string | undefined;
  /** Attempts after the first. */
  maxRetries?: number;
  /** A request that takes longer counts as stalled. */
  timeoutMs?: number;
  /** Wait before the first repetition; it doubles with each. */
  backoffMs?: number;
}

/** What went wrong on the way to the answers. */
export interface EndpointCounts {
  requests: number;
  retries: number;
  /** Asked to wait (429). */
  limited: number;
  stalled: number;
  /** No answer, or a failure of the server (5xx). */
  failed: number;
  /** An answer that is none. */
  nonsense: number;
}

export interface CompletionRequest {
  prompt: string;
  maxTokens: number;
  stop?: readonly string[];
  temperature?: number;
  topP?: number;
  seed?: number;
  /** Answers with the prompt itself and the log-probabilities of its tokens. */
  echo?: boolean;
}

const completionSchema = z.object({
  choices: z
    .array(
      z.object({
        text: z.string(),
        logprobs: z
          .object({
            tokens: z.array(z.string()),
            token_logprobs: z.array(z.number().nullable()),
            text_offset: z.array(z.int()),
            top_logprobs: z.array(z.record(z.string(), z.number()).nullable()).nullish(),
          })
          .nullish(),
      }),
    )
    .min(1),
});
export type Completion = z.output<typeof completionSchema>["choices"][number];

const MAX_WAIT_MS = 60_000;
/** At most so many stop strings are taken by OpenAI's own endpoints; the rest is the caller's to cut. */
const MAX_STOPS = 4;

/** Why another attempt may help, and how long the server wants to be left alone. */
interface Trouble {
  kind: "limited" | "stalled" | "failed" | "nonsense";
  message: string;
  waitMs?: number;
}

export class Endpoint {
  readonly url: string;
  readonly model: string;
  readonly counts: EndpointCounts = {
    ...{ requests: 0, retries: 0, limited: 0, stalled: 0, failed: 0, nonsense: 0 },
  };
  readonly #options: Required<Pick<EndpointOptions, "maxRetries" | "timeoutMs" | "backoffMs">>;
  readonly #completions: string;
  readonly #apiKey: string | undefined;
  /** Nobody asks before this moment. */
  #quietUntilMs = 0;

  constructor({
    url,
    model,
    apiKey,
    maxRetries = 6,
    timeoutMs = 120_000,
    backoffMs = 500,
  }: EndpointOptions) {
    if (!URL.canParse(url) || !/^https?:/.test(url))
      throw new LabError("bad_input", `${url} is no address of an endpoint`, {
        hint: "Give it up to the version: http://localhost:8000/v1.",
      });
    // Azure's addresses end with a query: ?api-version=….
    const { origin, pathname, search } = new URL(url);
    this.url = `${origin}${pathname.replace(/\/+$/, "")}${search}`;
    this.#completions = `${origin}${pathname.replace(/\/+$/, "")}/completions${search}`;
    this.model = model;
    this.#apiKey = apiKey;
    this.#options = { maxRetries, timeoutMs, backoffMs };
  }

  /**
   * @throws LabError `bad_input` for what the server refuses, `engine_failed` where every attempt failed, `interrupted`
   */
  async complete(
    request: CompletionRequest,
    { signal }: { signal?: AbortSignal } = {},
  ): Promise<Completion> {
    const { maxRetries, backoffMs } = this.#options;
    let trouble: Trouble | undefined;
    for (let attempt = 0; attempt <= maxRetries; attempt++) {
      if (trouble !== undefined) {
        this.counts.retries++;
        const waitMs = Math.max(trouble.waitMs ?? 0, backoffMs * 2 ** (attempt - 1));
        if (trouble.kind === "limited")
          this.#quietUntilMs = performance.now() + Math.min(MAX_WAIT_MS, waitMs);
        else await this.#wait(Math.min(MAX_WAIT_MS, waitMs), signal);
      }
      await this.#wait(this.#quietUntilMs - performance.now(), signal);
      const found = await this.#ask(request, signal);
      if ("text" in found) return found;
      trouble = found;
      this.counts[found.kind]++;
    }
    throw new LabError(
      "engine_failed",
      `${this.url}: ${maxRetries + 1} attempts failed; the last: ${trouble?.message ?? ""}`,
      {
        hint: "What was answered by then is kept; go on when the endpoint is well.",
      },
    );
  }

  async #wait(waitMs: number, signal: AbortSignal | undefined): Promise<void> {
    signal?.throwIfAborted();
    if (waitMs > 0) await sleep(waitMs, undefined, signal === undefined ? {} : { signal });
  }

  async #ask(
    request: CompletionRequest,
    signal: AbortSignal | undefined,
  ): Promise<Completion | Trouble> {
    const { prompt, maxTokens, stop = [], temperature = 0, topP, seed, echo = false } = request;
    const timeout = AbortSignal.timeout(this.#options.timeoutMs);
    this.counts.requests++;
    let response: Response;
    let body: string;
    try {
      response = await fetch(this.#completions, {
        method: "POST",
        headers: {
          "content-type": "application/json",
          // Azure reads the key from a header of its own.
          ...(this.#apiKey === undefined
            ? {}
            : { authorization: `Bearer ${this.#apiKey}`, "api-key": this.#apiKey }),
        },
        body: JSON.stringify({
          ...{ model: this.model, prompt, max_tokens: maxTokens, temperature },
          ...(topP === undefined ? {} : { top_p: topP }),
          ...(seed === undefined ? {} : { seed }),
          ...(stop.length === 0 ? {} : { stop: stop.slice(0, MAX_STOPS) }),
          ...(echo ? { echo: true, logprobs: 1 } : {}),
        }),
        signal: signal === undefined ? timeout : AbortSignal.any([timeout, signal]),
      });
      body = await response.text();
    } catch (error) {
      if (signal?.aborted === true) throw LabError.from(signal.reason);
      if (timeout.aborted)
        return { kind: "stalled", message: `no answer in ${this.#options.timeoutMs} ms` };
      const { message, cause } = error as Error;
      return { kind: "failed", message: cause instanceof Error ? cause.message : message };
    }
    const { status } = response;
    if (status === 429)
      return {
        kind: "limited",
        message: "too many requests",
        ...waitOf(response.headers.get("retry-after")),
      };
    if (status >= 500 || status === 408) return { kind: "failed", message: `status ${status}` };
    if (!response.ok) throw this.#refused(status, body);
    return readCompletion(body, { echo });
  }

  #refused(status: number, body: string): LabError {
    const said = body.replaceAll(/\s+/g, " ").slice(0, 300);
    const hint =
      status === 401 || status === 403
        ? "Set the key: PHILAB_API_KEY."
        : status === 404
          ? "Is the address right, up to the version, and the model's name?"
          : undefined;
    return new LabError(
      "bad_input",
      `${this.url} refuses with status ${status}: ${said}`,
      hint === undefined ? {} : { hint },
    );
  }
}

function waitOf(header: string | null): { waitMs?: number } {
  if (header === null) return {};
  const seconds = Number(header);
  const waitMs = Number.isFinite(seconds) ? 1000 * seconds : Date.parse(header) - Date.now();
  return Number.isFinite(waitMs) && waitMs > 0 ? { waitMs } : {};
}

function readCompletion(body: string, { echo }: { echo: boolean }): Completion | Trouble {
  const nonsense = (message: string): Trouble => ({ kind: "nonsense", message });
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch {
    return nonsense(`an answer that is not JSON: ${JSON.stringify(body.slice(0, 80))}`);
  }
  const parsed = completionSchema.safeParse(value);
  const choice = parsed.data?.choices[0];
  if (choice === undefined) return nonsense("an answer without a completion");
  const { logprobs } = choice;
  if (!echo || logprobs === null || logprobs === undefined) return choice;
  const { tokens, token_logprobs, text_offset } = logprobs;
  if (token_logprobs.length !== tokens.length || text_offset.length !== tokens.length)
    return nonsense("log-probabilities that do not fit their tokens");
  if (token_logprobs.some((value) => value !== null && !(value <= 1e-3)))
    return nonsense("log-probabilities above zero");
  return choice;
}
