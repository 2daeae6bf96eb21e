/** A text that grows by one token at a time: sampling, text that is certain, why it ends. It knows no model. */
import type { Tokenizer } from "../tokenizer/index.ts";
import type { FinishReason, GeneratedToken } from "./generate.ts";
import { Sampler } from "./sampler.ts";
import type { SamplingSettings } from "./sampling-options.ts";
import { StopScanner } from "./stop.ts";

export interface GrowingTextOptions {
  prompt: readonly number[];
  /** Tokens that its context holds. */
  capacity: number;
  /** Which text of its request it is; it draws from that stream of the seed. */
  index: number;
  tokenizer: Tokenizer | undefined;
  sampling: SamplingSettings;
}

export class GrowingText {
  readonly index: number;
  readonly #sampler: Sampler;
  readonly #scanner: StopScanner;
  readonly #decoder: { push(id: number): string; flush(): string } | undefined;
  readonly #limit: number;
  readonly #eosTokenId: number | undefined;
  #count = 0;
  /** The token that was chosen last. */
  last = -1;
  finished = false;

  constructor({ prompt, capacity, index, tokenizer, sampling }: GrowingTextOptions) {
    this.index = index;
    this.#sampler = new Sampler(sampling, { stream: index, vocabSize: tokenizer?.vocabSize });
    this.#sampler.observe(prompt);
    this.#scanner = new StopScanner(sampling.stop);
    this.#decoder = tokenizer?.decoder();
    this.#eosTokenId = tokenizer?.eosTokenId;
    // The last token of a full context is never read back, so it needs no cell.
    const room = capacity - prompt.length + 1;
    this.#limit = Math.min(sampling.maxTokens ?? room, room);
  }

  /** The next token, from the logits `[V]` after the text so far. */
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
