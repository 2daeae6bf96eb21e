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
  const { asked, index, requests, responses, scores, truncatedTokens } = answered;
  const { item, row } = asked;
  const own = Object.entries(scores).filter(([key]) => key.endsWith(`,${filter}`));
  const given = responses.map(plain);
  const filtered = item.filtered?.(responses)[filter];
  const prompts = requests.map((request) => Object.values(request).slice(1).map(String).join(""));
  return {
    doc_id: index,
    doc: row as JsonObject,
    target: String(item.target),
    arguments: Object.fromEntries(
      requests.map((request, i) => [`gen_args_${i}`, argumentsOf(request)]),
    ),
    resps: given.map((response) => [response]),
    filtered_resps: filtered === undefined ? given : [filtered],
    filter,
    metrics: own.map(([key]) => key.split(",")[0] ?? key),
    doc_hash: sha256(toJson(row)),
    prompt_hash: sha256(prompts[0] ?? ""),
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

function argumentsOf(request: Request): JsonObject {
  switch (request.type) {
    case "loglikelihood":
      return { arg_0: request.context, arg_1: request.continuation };
    case "loglikelihood_rolling":
      return { arg_0: request.text };
    case "generate_until":
      return {
        arg_0: request.context,
        arg_1: { until: [...request.until], max_gen_toks: request.maxTokens, do_sample: false },
      };
  }
}
