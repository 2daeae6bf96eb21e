/**
 * Text from a model, token by token. Several prompts are decoded together: each step computes one row for every text that
 * is still growing.
 */
import type { Intervention } from "../model/hooks/cached.ts";
import type { PlannedEdit } from "../model/hooks/edits.ts";
import type { Runner } from "../model/runner.ts";
import type { Tokenizer } from "../tokenizer/index.ts";
import { nonFiniteError } from "./non-finite.ts";
import { Sampler, type Alternative } from "./sampler.ts";
import {
  resolveSampling,
  type SamplingOptions,
  type SamplingSettings,
} from "./sampling-options.ts";
import type { Reuse, Sequence } from "./sequence.ts";
import { StopScanner } from "./stop.ts";

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

/** One text that is growing. */
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
  const texts = streams.map(
    (stream, index) => new GrowingText(stream, { index, tokenizer, sampling }),
  );
  const run = options.signal === undefined ? {} : { signal: options.signal };
  const lengths = streams.map(({ prompt }) => prompt.length);
  const editing = (some: readonly GrowingText[]): { intervention?: Intervention } =>
    edits.length === 0
      ? {}
      : { intervention: { edits, lengths, prompts: some.map((text) => text.index) } };
  for (const text of texts) {
    const { reuse = "exact" } = options;
    const { logits } = await text.sequence.read(text.prompt, { ...run, reuse, ...editing([text]) });
    yield text.choose(await checkLogits(logits, runner, text.sequence.tokens));
  }
  for (;;) {
    const growing = texts.filter((text) => !text.finished);
    if (growing.length === 0) return;
    const logits = await runner.run(
      growing.map((text) => text.sequence.next(text.last)),
      { ...run, ...editing(growing) },
    );
    for (const [i, text] of growing.entries()) {
      text.sequence.accept(text.last);
      yield text.choose(await checkLogits(logits[i] as Float32Array, runner, text.sequence.tokens));
    }
  }
}

/** A sum is NaN or infinite when any term is; one look at each logit costs less than the sampler's. */
async function checkLogits(
  logits: Float32Array,
  runner: Runner,
  tokens: readonly number[],
): Promise<Float32Array> {
  let sum = 0;
  for (const x of logits) sum += x;
  if (Number.isFinite(sum)) return logits;
  throw await nonFiniteError(runner, tokens);
}

class GrowingText {
  readonly sequence: Sequence;
  readonly prompt: readonly number[];
  readonly index: number;
  readonly #sampler: Sampler;
  readonly #scanner: StopScanner;
  readonly #decoder: { push(id: number): string; flush(): string } | undefined;
  readonly #limit: number;
  readonly #eosTokenId: number | undefined;
  #count = 0;
  last = -1;
  finished = false;

  constructor(
    { sequence, prompt }: Stream,
    {
      index,
      tokenizer,
      sampling,
    }: { index: number; tokenizer: Tokenizer | undefined; sampling: SamplingSettings },
  ) {
    this.sequence = sequence;
    this.prompt = prompt;
    this.index = index;
    this.#sampler = new Sampler(sampling, { stream: index, vocabSize: tokenizer?.vocabSize });
    this.#sampler.observe(prompt);
    this.#scanner = new StopScanner(sampling.stop);
    this.#decoder = tokenizer?.decoder();
    this.#eosTokenId = tokenizer?.eosTokenId;
    // The last token of a full context is never read back, so it needs no cell.
    const room = sequence.cache.capacity - prompt.length + 1;
    this.#limit = Math.min(sampling.maxTokens ?? room, room);
  }

  choose(logits: Float32Array): GeneratedToken {
    const { id, logprob, top } = this.#sampler.sample(logits);
    this.#count++;
    this.last = id;
    const { text, finishReason } = this.#advance(id);
    this.finished = finishReason !== undefined;
    return {
      index: this.index,
      id,
      text,
      logprob,
      top,
      ...(finishReason === undefined ? {} : { finishReason }),
    };
  }

  #advance(id: number): { text: string; finishReason: FinishReason | undefined } {
    const end = id === this.#eosTokenId;
    const piece = end ? "" : (this.#decoder?.push(id) ?? "");
    const { text, stopped } = this.#scanner.push(piece);
    if (stopped) return { text, finishReason: "stop" };
    const full = this.#count >= this.#limit;
    if (!end && !full) return { text, finishReason: undefined };
    const rest = this.#scanner.push(this.#decoder?.flush() ?? "");
    return {
      text: text + rest.text + (rest.stopped ? "" : this.#scanner.flush()),
      finishReason: rest.stopped ? "stop" : end ? "eos" : "length",
    };
  }
}
