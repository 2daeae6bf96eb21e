/** What happened to each item, in the layout of lm-evaluation-harness' `samples_<task>.jsonl`. */
import { sha256 } from "../base/hash.ts";
import { toJson, type JsonObject, type JsonValue } from "../base/json.ts";
import type { PromptedItem } from "./prompts.ts";
import type { Request, Response, Scores, Task } from "./task.ts";

export interface AnsweredItem {
  asked: PromptedItem;
  /** Place in the data. */
  index: number;
  requests: readonly Request[];
  responses: readonly Response[];
  scores: Scores;
  /** Tokens that were cut from its contexts. */
  truncatedTokens: number;
}

/** The lines of a task's file: one for each item and filter. */
export function sampleLines({ metrics }: Task, items: readonly AnsweredItem[]): string {
  const filters = [...new Set(metrics.map(({ key }) => key.split(",")[1] ?? "none"))];
  return filters
    .flatMap((filter) => items.map((item) => `${toJson(sample(item, filter))}\n`))
    .join("");
}

function sample(answered: AnsweredItem, filter: string): JsonObject {
  const { index, requests, responses, scores, truncatedTokens } = answered;
  const { item, row } = answered.asked;
  const own = Object.entries(scores).filter(([key]) => key.endsWith(`,${filter}`));
  const given = responses.map(plain);
  const filtered = item.filtered?.(responses)[filter];
  const [first] = requests;
  // Several answers to one question are one request of the harness, repeated.
  const repeated = first?.type === "generate_until" && first.sampling !== undefined;
  const asked = repeated ? requests.slice(0, 1) : requests;
  return {
    doc_id: index,
    doc: row as JsonObject,
    target: String(item.target),
    arguments: Object.fromEntries(
      asked.map((request, i) => [`gen_args_${i}`, argumentsOf(request)]),
    ),
    resps: repeated ? [given] : given.map((response) => [response]),
    filtered_resps: filtered === undefined ? given : [filtered],
    filter,
    metrics: own.map(([key]) => key.split(",")[0] ?? key),
    doc_hash: sha256(toJson(row)),
    prompt_hash: sha256(first === undefined ? "" : promptText(first)),
    target_hash: sha256(String(item.target)),
    ...(truncatedTokens > 0 ? { truncated_tokens: truncatedTokens } : {}),
    ...Object.fromEntries(
      own.map(([key, value]) => [
        key.split(",")[0] ?? key,
        typeof value === "number" ? value : [...value],
      ]),
    ),
  };
}

/** Numbers as text, as the harness writes them. */
function plain(response: Response): JsonValue {
  if ("text" in response) return response.text;
  return [String(response.logprob), response.isGreedy ? "True" : "False"];
}

/** Everything that a request says to a model, as one text. */
function promptText(request: Request): string {
  switch (request.type) {
    case "loglikelihood":
      return request.context + request.continuation;
    case "loglikelihood_rolling":
      return request.text;
    case "generate_until":
      return `${request.context}${request.until.join(",")}${request.maxTokens}`;
  }
}

function argumentsOf(request: Request): JsonObject {
  switch (request.type) {
    case "loglikelihood":
      return { arg_0: request.context, arg_1: request.continuation };
    case "loglikelihood_rolling":
      return { arg_0: request.text };
    case "generate_until":
      return {
        arg_0: request.context,
        arg_1: {
          until: [...request.until],
          max_gen_toks: request.maxTokens,
          do_sample: request.sampling !== undefined,
          ...(request.sampling === undefined
            ? {}
            : { temperature: request.sampling.temperature, top_p: request.sampling.topP }),
        },
      };
  }
}
