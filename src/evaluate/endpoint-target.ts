/** A model behind an endpoint as a target. */
import { LabError } from "../base/errors.ts";
import type { Completion, Endpoint } from "../endpoint/index.ts";
import { codePoints, stripEnd } from "./python-text.ts";
import { seedOf } from "./sampled.ts";
import { cutAtStops } from "./stops.ts";
import type { Target, WorkPlan } from "./target.ts";
import type { Request, Response } from "./task.ts";

/** Requests that are under way at the same time. */
const CONCURRENCY = 8;

export class EndpointTarget implements Target {
  readonly name: string;
  readonly facts: Readonly<Record<string, string | number | boolean>>;
  readonly concurrency: number;
  readonly #endpoint: Endpoint;

  constructor(
    endpoint: Endpoint,
    { concurrency = CONCURRENCY }: { concurrency?: number | undefined } = {},
  ) {
    this.#endpoint = endpoint;
    this.concurrency = concurrency;
    this.name = endpoint.model;
    this.facts = { model: "endpoint", endpoint: endpoint.url, endpoint_model: endpoint.model };
  }

  /** Each request is a unit. Whether the endpoint gives log-likelihoods of prompts is tried first. */
  async plan(requests: readonly Request[]): Promise<WorkPlan> {
    if (requests.some(({ type }) => type === "loglikelihood_rolling"))
      throw new LabError(
        "unsupported",
        "perplexity needs the model's own tokens, which an endpoint does not show",
        {
          hint: "Run this task on a model of this machine.",
        },
      );
    if (requests.some((request) => request.type === "loglikelihood" && request.context === ""))
      throw new LabError(
        "unsupported",
        "a text without a context needs the model's start token, which an endpoint does not show",
      );
    if (requests.some(({ type }) => type === "loglikelihood")) await this.#probe();
    const units = requests.map((request, index) => ({
      indices: [index],
      run: async (signal: AbortSignal) => [await this.#answer(request, signal)],
    }));
    return { units, truncated: [] };
  }

  /** Some servers take `echo` and answer without it: every choice would then look alike. */
  async #probe(): Promise<void> {
    const [context, continuation] = ["The capital of France is", " Paris."];
    const found = await this.#endpoint.complete({
      prompt: context + continuation,
      maxTokens: 1,
      echo: true,
    });
    if (scoreOf(found, { context, whole: context + continuation }) === undefined)
      throw new LabError(
        "unsupported",
        `${this.#endpoint.url} gives no log-likelihoods of a prompt's tokens (echo with logprobs)`,
        {
          hint: "vLLM does; llama.cpp's server does not. Tasks that generate text work all the same.",
        },
      );
  }

  async #answer(request: Request, signal: AbortSignal): Promise<Response> {
    if (request.type === "generate_until") {
      const { context, until, maxTokens, sampling } = request;
      const { text } = await this.#endpoint.complete(
        {
          ...{ prompt: context, maxTokens, stop: until },
          ...(sampling === undefined
            ? {}
            : {
                temperature: sampling.temperature,
                topP: sampling.topP,
                seed: seedOf(sampling, context) % 2 ** 31, // servers take what fits into 32 bits
              }),
        },
        { signal },
      );
      return { text: cutAtStops(text, until) };
    }
    if (request.type === "loglikelihood_rolling")
      throw new LabError("internal", "internal: a request that was refused");
    // Spaces at the end of the context belong to the next token.
    const context = stripEnd(request.context);
    const whole = request.context + request.continuation;
    const found = await this.#endpoint.complete(
      { prompt: whole, maxTokens: 1, echo: true },
      { signal },
    );
    const score = scoreOf(found, { context, whole });
    if (score === undefined)
      throw new LabError(
        "engine_failed",
        `${this.#endpoint.url} left log-probabilities out that it gave before`,
        {
          hint: "What was answered by then is kept; go on when the endpoint is well.",
        },
      );
    return score;
  }
}

/** The tokens that reach beyond the context and begin within the prompt; undefined where the answer has none. */
function scoreOf(
  { logprobs }: Completion,
  { context, whole }: { context: string; whole: string },
): { logprob: number; isGreedy: boolean } | undefined {
  const [from, to] = [codePoints(context), codePoints(whole)];
  let logprob = 0;
  let isGreedy = true;
  let count = 0;
  const { tokens = [], token_logprobs = [], text_offset = [], top_logprobs } = logprobs ?? {};
  for (const [i, token] of tokens.entries()) {
    const start = text_offset[i] ?? 0;
    const end = text_offset[i + 1] ?? start + codePoints(token);
    if (end <= from || start >= to) continue;
    const own = token_logprobs[i];
    if (own === undefined || own === null) return undefined;
    logprob += own;
    const best = Math.max(...Object.values(top_logprobs?.[i] ?? {}));
    isGreedy &&= own >= best;
    count++;
  }
  return count === 0 ? undefined : { logprob, isGreedy };
}
