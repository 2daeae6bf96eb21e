/** A model of this machine as a target: texts to ids by lm-evaluation-harness' rules, and what is computed together. */
import { LabError } from "../base/errors.ts";
import type { SamplingOptions } from "../generate/sampling-options.ts";
import type { LanguageModel } from "../generate/language-model.ts";
import { countParameters } from "../model/parameters.ts";
import { planScores, type ScorePass, type ScoreRequest } from "../generate/score-plan.ts";
import { cutAtStops } from "./stops.ts";
import { stripEnd } from "./python-text.ts";
import { seedOf } from "./sampled.ts";
import type { Request, Response, Sampling } from "./task.ts";
import type { Target, Truncation, WorkPlan, WorkUnit } from "./target.ts";

/** Prompts that are continued together. */
const DECODE_BATCH = 4;
/** Above this many common tokens, prompts are continued one by one: each then reads the common part from the cache. */
const SHARED_TOKENS = 256;

/** An opened model of this machine, to be evaluated with lm-evaluation-harness' rules for texts and ids. */
export class LocalTarget implements Target {
  readonly name: string;
  readonly facts: Readonly<Record<string, string | number | boolean>>;
  readonly concurrency = 1;
  readonly #model: LanguageModel;

  constructor(model: LanguageModel, name: string) {
    this.#model = model;
    this.name = name;
    this.facts = {
      model: "philab",
      model_sha256: model.fingerprint(),
      parameters: countParameters(model.config),
      mode: model.mode,
      cache_type: model.cacheType,
      context_length: model.contextLength,
      ...(model.adapter === null ? {} : { adapter: model.adapter }),
    };
  }

  async plan(requests: readonly Request[], { truncate }: { truncate: boolean }): Promise<WorkPlan> {
    const truncated: Truncation[] = [];
    const scores: ScoreRequest[] = [];
    /** For each score the place of its request; several windows may belong to one text. */
    const owners: number[] = [];
    const prompts: Prompt[] = [];
    requests.forEach((request, index) => {
      const cut = (tokens: number): void => {
        if (tokens > 0) truncated.push({ index, tokens });
      };
      if (request.type === "generate_until") prompts.push(this.#prompt(request, index, cut));
      else
        for (const pair of this.#pairs(request, cut)) {
          scores.push(pair);
          owners.push(index);
        }
    });
    if (truncated.length > 0 && !truncate) throw this.#tooLong(truncated);
    const units = [...this.#scoreUnits(requests, scores, owners), ...this.#promptUnits(prompts)];
    return { units, truncated };
  }

  /** Continuations after their contexts, as ids. */
  #pairs(
    request: Exclude<Request, { type: "generate_until" }>,
    cut: (tokens: number) => void,
  ): ScoreRequest[] {
    if (request.type === "loglikelihood_rolling") return this.#windows(request.text);
    const pair = this.#encodePair(request);
    const { contextLength } = this.#model;
    const { context, continuation } = pair;
    if (continuation.length > contextLength)
      throw new LabError(
        "too_long",
        `a continuation of ${continuation.length} tokens; the context holds ${contextLength}`,
      );
    // The last token of a continuation is never read.
    const excess = Math.max(0, context.length + continuation.length - 1 - contextLength);
    cut(excess);
    return [{ context: context.slice(excess), continuation }];
  }

  /** Spaces at the end of the context belong to the continuation; both are tokenised as one text. */
  #encodePair({ context, continuation }: { context: string; continuation: string }): ScoreRequest {
    const { tokenizer } = this.#model;
    if (context === "") {
      const ids = tokenizer.encode(continuation);
      const prefix = this.#prefixToken;
      return ids[0] === prefix
        ? { context: ids.slice(0, 1), continuation: ids.slice(1) }
        : { context: [prefix], continuation: ids };
    }
    const kept = stripEnd(context);
    const ids = tokenizer.promptIds(kept);
    return {
      context: ids,
      continuation: tokenizer.promptIds(context + continuation).slice(ids.length),
    };
  }

  /** Windows of the whole context, each of which scores what no earlier one did. */
  #windows(text: string): ScoreRequest[] {
    const ids = this.#model.tokenizer.promptIds(text);
    const { contextLength } = this.#model;
    if (ids.length === 0) return [];
    const first = Math.min(contextLength, ids.length);
    const windows: ScoreRequest[] = [
      { context: [this.#prefixToken], continuation: ids.slice(0, first) },
    ];
    for (let done = first; done < ids.length;) {
      const end = Math.min(ids.length, done + contextLength);
      const window = ids.slice(end - contextLength - 1, end - 1);
      const count = end - done;
      windows.push({
        context: window.slice(0, window.length - (count - 1)),
        continuation: ids.slice(done, end),
      });
      done = end;
    }
    return windows;
  }

  get #prefixToken(): number {
    const { bosTokenId, eosTokenId } = this.#model.tokenizer;
    const id = bosTokenId ?? eosTokenId;
    if (id === undefined)
      throw new LabError(
        "unsupported",
        "this model has neither a start nor an end token, which texts without a context need",
      );
    return id;
  }

  #prompt(
    { context, until, maxTokens, sampling }: Extract<Request, { type: "generate_until" }>,
    index: number,
    cut: (tokens: number) => void,
  ): Prompt {
    const room = this.#model.contextLength - maxTokens;
    if (room <= 0)
      throw new LabError(
        "too_long",
        `${maxTokens} tokens are to be written; the context holds ${this.#model.contextLength}`,
        {
          hint: "Leave the task out for this model, or let it write less: --max-tokens.",
        },
      );
    const ids = this.#model.promptIds(context);
    cut(Math.max(0, ids.length - room));
    const seed = sampling === undefined ? undefined : seedOf(sampling, context);
    return { index, ids: ids.slice(-room), until, maxTokens, sampling, seed };
  }

  #scoreUnits(
    requests: readonly Request[],
    scores: readonly ScoreRequest[],
    owners: readonly number[],
  ): WorkUnit[] {
    // The windows of a text are computed together, so that a unit answers whole requests.
    const rolling = owners.map((owner) => requests[owner]?.type === "loglikelihood_rolling");
    const single = owners.flatMap((_, i) => (rolling[i] === true ? [] : [i]));
    const capacity = { capacity: this.#model.contextLength };
    const units = planScores(
      single.map((i) => scores[i] as ScoreRequest),
      capacity,
    ).map((pass) =>
      this.#unit(
        [pass],
        single.map((i) => owners[i] as number),
      ),
    );
    const texts = groupBy(
      owners.flatMap((_, i) => (rolling[i] === true ? [i] : [])),
      (i) => owners[i] as number,
    );
    for (const [owner, places] of texts) {
      const passes = planScores(
        places.map((i) => scores[i] as ScoreRequest),
        capacity,
      );
      units.push(
        this.#unit(
          passes,
          places.map(() => owner),
        ),
      );
    }
    return units;
  }

  #unit(passes: readonly ScorePass[], owners: readonly number[]): WorkUnit {
    const places = passes.flatMap(({ branches }) =>
      branches.flatMap(({ continuations }) =>
        continuations.map(({ index }) => owners[index] as number),
      ),
    );
    const indices = [...new Set(places)].sort((a, b) => a - b);
    return {
      indices,
      run: async (signal) => {
        const sums = new Map(indices.map((index) => [index, { logprob: 0, isGreedy: true }]));
        for (const pass of passes)
          for (const { index, logprob, isGreedy } of await this.#model.scorePass(pass, {
            signal,
          })) {
            const sum = sums.get(owners[index] as number);
            if (sum === undefined) continue;
            sum.logprob += logprob;
            sum.isGreedy &&= isGreedy;
          }
        return [...sums.values()];
      },
    };
  }

  #promptUnits(prompts: readonly Prompt[]): WorkUnit[] {
    const units: WorkUnit[] = [];
    for (let i = 0; i < prompts.length;) {
      const first = prompts[i] as Prompt;
      const shared = commonLength(first.ids, prompts[i + 1]?.ids ?? []);
      const count = shared >= SHARED_TOKENS ? 1 : DECODE_BATCH;
      // What is drawn depends on its own seed alone, so it is drawn by itself.
      const fits = ({ until, maxTokens, sampling }: Prompt): boolean =>
        (sampling ?? first.sampling) === undefined &&
        maxTokens === first.maxTokens &&
        until.join("\0") === first.until.join("\0");
      let end = i + 1;
      while (end < Math.min(i + count, prompts.length) && fits(prompts[end] as Prompt)) end++;
      const batch = prompts.slice(i, end);
      units.push({
        indices: batch.map(({ index }) => index),
        run: (signal) => this.#generate(batch, signal),
      });
      i += batch.length;
    }
    return units;
  }

  async #generate(batch: readonly Prompt[], signal: AbortSignal): Promise<Response[]> {
    const [first] = batch;
    const { until = [], maxTokens = 1 } = first ?? {};
    const found = batch.map(() => "");
    const options = { maxTokens, stop: [...until], ...drawing(first), signal };
    for await (const { index, text } of this.#model.generateBatch(
      batch.map(({ ids }) => ids),
      options,
    ))
      found[index] += text;
    return found.map((text) => ({ text: cutAtStops(text, until) }));
  }

  #tooLong(truncated: readonly Truncation[]): LabError {
    const most = Math.max(...truncated.map(({ tokens }) => tokens));
    return new LabError(
      "too_long",
      `${truncated.length} requests do not fit into the context of ${this.#model.contextLength} tokens, by up to ${most}`,
      {
        hint: "Ask for fewer examples (--num-fewshot), or cut from the left as lm-evaluation-harness does: --truncation left.",
      },
    );
  }
}

interface Prompt {
  index: number;
  ids: readonly number[];
  until: readonly string[];
  maxTokens: number;
  sampling: Sampling | undefined;
  /** Of a prompt whose answer is drawn. */
  seed: number | undefined;
}

function drawing(prompt: Prompt | undefined): SamplingOptions {
  if (prompt?.sampling === undefined || prompt.seed === undefined) return { temperature: 0 };
  const { temperature, topP } = prompt.sampling;
  return { temperature, topP, seed: prompt.seed };
}

function commonLength(a: readonly number[], b: readonly number[]): number {
  let length = 0;
  while (length < a.length && length < b.length && a[length] === b[length]) length++;
  return length;
}

function groupBy(items: readonly number[], keyOf: (item: number) => number): Map<number, number[]> {
  const groups = new Map<number, number[]>();
  for (const item of items) {
    const group = groups.get(keyOf(item)) ?? [];
    groups.set(keyOf(item), group);
    group.push(item);
  }
  return groups;
}
