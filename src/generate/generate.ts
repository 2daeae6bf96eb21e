/**
 * Text from a model, token by token. Several prompts are decoded together: each step computes one row for every text that
 * is still growing.
 */
import type { Intervention } from "../model/hooks/cached.ts";
import type { PlannedEdit } from "../model/hooks/edits.ts";
import type { Runner } from "../model/runner.ts";
import type { Tokenizer } from "../tokenizer/index.ts";
import { GrowingText } from "./growing-text.ts";
import { checkLogits } from "./non-finite.ts";
import type { Alternative } from "./sampler.ts";
import { resolveSampling, type SamplingOptions } from "./sampling-options.ts";
import type { Reuse, Sequence } from "./sequence.ts";

/** Why a text ended: a stop string, `maxTokens` or the context, or the end token. */
export type FinishReason = "stop" | "length" | "eos";

export interface GeneratedToken {
  /** Which prompt it continues, from 0. */
  index: number;
  id: number;
  /** Text that is certain by now: whole characters, and nothing that may turn out to begin a stop string. */
  text: string;
  /** Natural logarithm of the token's probability under the model, before any sampling option. */
  logprob: number;
  /** The most likely tokens at this place, as many as `logprobs` asks for. */
  top: readonly Alternative[];
  /** Set on the last token of a text. */
  finishReason?: FinishReason;
}

export interface DecodeOptions extends SamplingOptions {
  reuse?: Reuse;
  signal?: AbortSignal;
}

/** A text to continue, and the cache that it is read into. */
export interface Stream {
  sequence: Sequence;
  prompt: readonly number[];
}

/**
 * Reads the prompts, then decodes them together until each has ended. Sequence `i` must have room for its prompt.
 * Text `i` draws from stream `i` of the seed, so that it does not depend on its neighbours. With `edits` the sequences
 * must be fresh ones, and serve no text without these edits afterwards.
 */
export async function* decode(
  runner: Runner,
  tokenizer: Tokenizer | undefined,
  streams: readonly Stream[],
  options: DecodeOptions,
  edits: readonly PlannedEdit[] = [],
): AsyncGenerator<GeneratedToken, void, undefined> {
  const sampling = resolveSampling(options);
  const texts = streams.map(({ sequence, prompt }, index) => {
    const { capacity } = sequence.cache;
    return {
      sequence,
      prompt,
      index,
      text: new GrowingText({ prompt, capacity, index, tokenizer, sampling }),
    };
  });
  const run = options.signal === undefined ? {} : { signal: options.signal };
  const lengths = streams.map(({ prompt }) => prompt.length);
  const editing = (some: readonly { index: number }[]): { intervention?: Intervention } =>
    edits.length === 0
      ? {}
      : { intervention: { edits, lengths, prompts: some.map(({ index }) => index) } };
  for (const stream of texts) {
    const { sequence, prompt, text } = stream;
    const { reuse = "exact" } = options;
    const { logits } = await sequence.read(prompt, { ...run, reuse, ...editing([stream]) });
    yield text.choose(await checkLogits(logits, runner, sequence.tokens));
  }
  for (;;) {
    const growing = texts.filter(({ text }) => !text.finished);
    if (growing.length === 0) return;
    const logits = await runner.run(
      growing.map(({ sequence, text }) => sequence.next(text.last)),
      { ...run, ...editing(growing) },
    );
    for (const [i, { sequence, text }] of growing.entries()) {
      sequence.accept(text.last);
      yield text.choose(await checkLogits(logits[i] as Float32Array, runner, sequence.tokens));
    }
  }
}
