/**
 * From logits to a token. The steps and their order, those of Hugging Face's processors and warpers with llama.cpp's
 * order of the last four:
 *
 *   logit bias → repetition, frequency, presence penalty → temperature → top-k → typical → top-p → min-p → draw
 *
 * Temperature 0 takes the likeliest token after the penalties, of equal ones the lowest id, and draws nothing.
 */
import { LabError } from "../base/errors.ts";
import { Random } from "../base/random.ts";
import { Candidates, type Distribution } from "./candidates.ts";
import { argmax, likeliest, logSumExp } from "./logits.ts";
import { Penalties } from "./penalties.ts";
import {
  resolveSampling,
  type SamplingOptions,
  type SamplingSettings,
} from "./sampling-options.ts";

export type { SamplingOptions };

export interface Alternative {
  id: number;
  /** Natural logarithm of the probability under the model, before any option has changed it. */
  logprob: number;
}

export interface SampledToken extends Alternative {
  /** The likeliest tokens at this place, as many as `logprobs` asks for, most likely first. */
  top: Alternative[];
}

export interface SamplerPlace {
  /** Which stream of the seed to draw from: the text's number in its batch. */
  stream?: number;
  /** Tokens that the tokenizer has: ids from here on are padding of the embedding and never sampled. */
  vocabSize?: number | undefined;
}

/** Chooses the tokens of one text. */
export class Sampler {
  readonly settings: SamplingSettings;
  readonly #vocabSize: number;
  readonly #random: Random;
  readonly #penalties: Penalties;
  /** Throws `bad_input` for options that make no sense. */
  constructor(options: SamplingOptions, { stream = 0, vocabSize = Infinity }: SamplerPlace = {}) {
    this.settings = resolveSampling(options);
    this.#vocabSize = vocabSize;
    this.#random = new Random(this.settings.seed).split(stream);
    this.#penalties = new Penalties(this.settings);
  }

  /** Notes tokens of the text that did not come from `sample`, such as the prompt; the repetition penalty counts them. */
  observe(ids: Iterable<number>): void {
    this.#penalties.observePrompt(ids);
  }

  /**
   * The next token of the text. `logits` [V] are not changed. Log-probabilities are those of the model's own softmax
   * over all V rows. Throws `engine_failed` when the logits are no distribution: NaN, +Infinity, or -Infinity for all tokens.
   */
  sample(logits: Float32Array): SampledToken {
    const { count, best, logTotal } = this.#look(logits);
    const found = this.#narrow(logits, count, best);
    const id = typeof found === "number" ? found : found.draw(this.#random);
    this.#penalties.observeSampled(id);

    const withLogprob = (token: number): Alternative => ({
      id: token,
      logprob: logits[token]! - logTotal,
    });
    const top = likeliest(logits, count, this.settings.logprobs).map(withLogprob);
    return { ...withLogprob(id), top };
  }

  /** The distribution that `sample` would draw from: tokens in order of their ids. Draws nothing. */
  distribution(logits: Float32Array): Distribution {
    const { count, best } = this.#look(logits);
    const found = this.#narrow(logits, count, best);
    return typeof found === "number" ? { ids: [found], probabilities: [1] } : found.distribution();
  }

  /** How many tokens can be sampled, the likeliest of them, and what all rows add up to. */
  #look(logits: Float32Array): { count: number; best: number; logTotal: number } {
    const count = Math.min(logits.length, this.#vocabSize);
    const largest = argmax(logits);
    const logTotal = logSumExp(logits, logits[largest]);
    const best = largest < count ? largest : argmax(logits, count);
    if (!Number.isFinite(logTotal) || logits[best] === -Infinity)
      throw noDistribution(logits, count);
    return { count, best, logTotal };
  }

  /** The one token that greedy decoding takes, or those that may be drawn. */
  #narrow(logits: Float32Array, count: number, best: number): number | Candidates {
    const { temperature, topK, typicalP, topP, minP } = this.settings;
    const { changed, candidates } = roomFor(count);
    let current: Float32Array | Float64Array = logits;
    if (this.#penalties.active) {
      changed.set(logits.subarray(0, count));
      this.#penalties.apply(changed);
      current = changed;
      best = argmax(changed);
    }
    if (temperature === 0) return best;

    candidates.fill(current, { best, temperature, topK });
    if (typicalP < 1) candidates.keepTypical(typicalP);
    if (topP < 1) candidates.keepTopP(topP);
    if (minP > 0) candidates.keepMinP(minP);
    return candidates;
  }
}

/** Two megabytes for a vocabulary of 51,200. A token is chosen in one go, so all texts can share them. */
let room = { changed: new Float64Array(0), candidates: new Candidates(0) };

function roomFor(count: number): typeof room {
  if (room.changed.length !== count)
    room = { changed: new Float64Array(count), candidates: new Candidates(count) };
  return room;
}

function noDistribution(logits: Float32Array, count: number): LabError {
  let nan = 0;
  let infinite = 0;
  for (const logit of logits) {
    if (Number.isNaN(logit)) nan++;
    else if (logit === Infinity) infinite++;
  }
  const found =
    nan + infinite > 0
      ? `${nan} of ${logits.length} are NaN and ${infinite} infinite`
      : `all ${count} are -Infinity`;
  return new LabError("engine_failed", `the model's logits give no distribution: ${found}`, {
    hint: "Phi-2 overflows where attention is computed in 16 bits; try --mode reference.",
  });
}
