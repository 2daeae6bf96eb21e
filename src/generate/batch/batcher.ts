/**
 * Continuous batching: texts join and leave a batch at any step. A step computes one row for every text that grows, and beside
 * them rows of prompts that are still being read (chunked prefill; Yu et al. 2022, Orca; Agrawal et al. 2023, SARATHI).
 *
 * Neighbours change no text: a text has a cache of its own, its prompt is read in blocks at fixed places, and it draws from a
 * seed of its own. Where products sum each row in one order (`rowsAreIndependent`), not one bit depends on them.
 */
import { LabError } from "../../base/errors.ts";
import { rowsAreIndependent } from "../../model/independent-rows.ts";
import type { Runner } from "../../model/runner.ts";
import type { Tokenizer } from "../../tokenizer/index.ts";
import type { DecodeOptions } from "../generate.ts";
import { GrowingText } from "../growing-text.ts";
import type { LanguageModel } from "../language-model.ts";
import { checkLogits } from "../non-finite.ts";
import { promptToken } from "../prompt-logprobs.ts";
import { resolveSampling } from "../sampling-options.ts";
import { wholeBlocks } from "../sequence.ts";
import { Slots } from "./slots.ts";
import { BatchText, type BatchEvent, type Part } from "./text.ts";

/** Rows of a step that only reads prompts. */
const READING_ROWS = 512;
/** Rows of prompts in a step beside texts that grow, which wait for it: a compromise between both. */
const MIXED_ROWS = 128;
/** Rows of which a vocabulary's worth of logits each is read back. */
const SCORED_ROWS = 128;

export interface BatcherOptions {
  /** Texts in work at the same time; each has a cache. */
  slots: number;
  /** Texts that may wait for a slot; more are refused. */
  maxWaiting: number;
  /** Tokens that each cache holds; the model's context by default. */
  contextLength?: number | undefined;
  /** As for `generate`. */
  adapter?: string | null | undefined;
}

export interface BatchRequest extends DecodeOptions {
  /** At least one token. */
  prompt: readonly number[];
  /** Which text of its request it is: it draws from that stream of the seed. */
  index?: number;
  /** Free slots go to the client that has fewest. */
  client?: string;
  /** Only read the prompt. */
  readOnly?: boolean;
  /** Report the log-probability of each token of the prompt, and this many of the likeliest tokens at its place. */
  promptTop?: number;
}

/** What was computed since the beginning, and what is in work now. */
export interface BatcherCounts {
  promptTokens: number;
  cachedTokens: number;
  generatedTokens: number;
  steps: number;
  active: number;
  waiting: number;
}

export class Batcher {
  readonly #runner: Runner;
  readonly #tokenizer: Tokenizer | undefined;
  readonly #maxWaiting: number;
  readonly #capacity: number;
  readonly #slots: Slots;
  readonly #waiting: BatchText[] = [];
  #active: BatchText[] = [];
  #running: Promise<void> | undefined;
  #step: { texts: BatchText[]; stop: AbortController } | undefined;
  readonly #counts = { promptTokens: 0, cachedTokens: 0, generatedTokens: 0, steps: 0 };
  #closed = false;

  /** Close it before the model, and before an adapter of it is unloaded. */
  constructor(
    model: LanguageModel,
    { slots, maxWaiting, contextLength = model.contextLength, adapter }: BatcherOptions,
  ) {
    this.#runner = model.runnerFor(adapter);
    this.#tokenizer = model.hasTokenizer ? model.tokenizer : undefined;
    this.#maxWaiting = maxWaiting;
    this.#capacity = Math.min(contextLength, model.contextLength);
    const independentRows = rowsAreIndependent(model);
    const cache = { capacity: this.#capacity, type: model.cacheType, independentRows };
    this.#slots = new Slots(this.#runner, { count: slots, ...cache });
  }

  get counts(): BatcherCounts {
    return { ...this.#counts, active: this.#active.length, waiting: this.#waiting.length };
  }

  /**
   * Reads a prompt and continues it beside the other texts. Leaving the loop takes the text out of the batch.
   *
   * @throws LabError `bad_input`, `too_long`, `busy` where too many wait, `interrupted`, `engine_failed`
   */
  async *generate(request: BatchRequest): AsyncGenerator<BatchEvent, void, undefined> {
    const text = this.#textOf(request);
    const { signal } = request;
    signal?.throwIfAborted();
    if (this.#waiting.length - this.#slots.free >= this.#maxWaiting)
      throw new LabError("busy", `${this.#waiting.length} texts are waiting already`, {
        hint: "Ask again in a while, or start the server with more slots.",
      });
    const cancel = (): void => this.#cancel(text, signal?.reason);
    signal?.addEventListener("abort", cancel, { once: true });
    try {
      this.#waiting.push(text);
      this.#running ??= this.#work();
      yield* text.events;
    } finally {
      signal?.removeEventListener("abort", cancel);
      if (!text.isOver) this.#cancel(text);
    }
  }

  #textOf(request: BatchRequest): BatchText {
    const { prompt, index = 0, client = "", reuse = "exact", promptTop } = request;
    const [tokenizer, capacity] = [this.#tokenizer, this.#capacity];
    if (this.#closed) throw new LabError("bad_input", "the model is closed");
    // A step is refused as a whole: what is wrong with one text must be found before.
    this.#runner.checkPrompt(prompt, capacity);
    const sampling = resolveSampling(request);
    const about = { prompt, capacity, index, tokenizer, sampling };
    return new BatchText({
      ...{ prompt, client, promptTop },
      // What a cache holds was read without looking at its log-probabilities.
      reuse: promptTop === undefined ? reuse : "none",
      growing: request.readOnly === true ? undefined : new GrowingText(about),
    });
  }

  #cancel(text: BatchText, reason?: unknown): void {
    const error =
      reason === undefined ? new LabError("interrupted", "interrupted") : LabError.from(reason);
    text.end(error);
    if (this.#step?.texts.every(({ isOver }) => isOver) === true) this.#step.stop.abort(error);
  }

  async #work(): Promise<void> {
    // Texts that arrive together share their first step.
    await Promise.resolve();
    for (;;) {
      this.#sweep();
      this.#admit();
      const parts = this.#plan();
      if (parts.length === 0) break;
      await this.#compute(parts);
    }
    this.#running = undefined;
  }

  /** Takes out texts that have ended. */
  #sweep(): void {
    for (let i = this.#waiting.length - 1; i >= 0; i--)
      if (this.#waiting[i]?.isOver === true) this.#waiting.splice(i, 1);
    for (const text of this.#active)
      if (text.isOver && text.slot !== undefined) {
        this.#slots.giveBack(text.slot);
        text.slot = undefined;
      }
    this.#active = this.#active.filter(({ isOver }) => !isOver);
  }

  #admit(): void {
    while (this.#slots.free > 0) {
      const text = this.#next();
      if (text === undefined) return;
      this.#waiting.splice(this.#waiting.indexOf(text), 1);
      try {
        const slot = this.#slots.take(text.prompt);
        text.slot = slot;
        text.cachedTokens = slot.sequence.keep(text.prompt, text.reuse);
        this.#counts.cachedTokens += text.cachedTokens;
        this.#active.push(text);
      } catch (error) {
        text.end(LabError.from(error));
      }
    }
  }

  /** Whose turn it is: of the clients that have fewest texts in work, who came first. */
  #next(): BatchText | undefined {
    const load = new Map<string, number>();
    for (const { client } of this.#active) load.set(client, (load.get(client) ?? 0) + 1);
    let next: BatchText | undefined;
    for (const text of this.#waiting) {
      const has = load.get(text.client) ?? 0;
      if (next !== undefined && has >= (load.get(next.client) ?? 0)) continue;
      if (!this.#isBeingRead(text)) next = text;
    }
    return next;
  }

  /** Whether another text reads the same beginning just now: waiting for it costs less than reading it twice. */
  #isBeingRead({ prompt, reuse }: BatchText): boolean {
    if (reuse !== "exact") return false;
    const shared = Math.max(
      0,
      ...this.#active
        .filter((other) => !other.isRead && !other.isOver)
        .map((other) => sharedBlocks(prompt, other.prompt)),
    );
    return shared > 0 && shared > this.#slots.keepable(prompt);
  }

  /** What the next step computes. */
  #plan(): Part[] {
    const parts: Part[] = [];
    for (const text of this.#active)
      if (text.isRead && text.slot !== undefined && text.growing !== undefined)
        parts.push({ text, slot: text.slot, tokens: text.slot.sequence.next(text.growing.last) });
    let rows = parts.length > 0 ? MIXED_ROWS : READING_ROWS;
    let scored = SCORED_ROWS;
    for (const text of this.#active) {
      if (text.isRead || text.slot === undefined) continue;
      const allLogits = text.promptTop !== undefined;
      const room = wholeBlocks(allLogits ? Math.min(rows, scored) : rows);
      if (room === 0) continue;
      const { sequence } = text.slot;
      const tokens = sequence.upcoming(text.prompt, { maxRows: room, allLogits });
      parts.push({ text, slot: text.slot, tokens });
      rows -= tokens.ids.length;
      if (allLogits) scored -= tokens.ids.length;
    }
    return parts;
  }

  async #compute(parts: readonly Part[]): Promise<void> {
    const stop = new AbortController();
    this.#step = { texts: parts.map(({ text }) => text), stop };
    try {
      const logits = await this.#runner.run(
        parts.map(({ tokens }) => tokens),
        { signal: stop.signal },
      );
      this.#counts.steps++;
      let row = 0;
      for (const part of parts) {
        const wanted = part.tokens.logits.length;
        await this.#take(part, logits.slice(row, row + wanted));
        row += wanted;
      }
    } catch (error) {
      const isWhole = error instanceof LabError && error.code === "interrupted";
      for (const { text, slot } of parts) {
        if (!isWhole) slot.sequence.reset();
        text.end(LabError.from(error));
      }
    } finally {
      this.#step = undefined;
    }
  }

  /** What a step has made of a text. A text that fails leaves the others alone. */
  async #take({ text, slot, tokens }: Part, logits: readonly Float32Array[]): Promise<void> {
    const { sequence } = slot;
    try {
      if (text.isRead) sequence.accept(tokens.ids[0] as number);
      else {
        sequence.acceptBlock(tokens);
        this.#counts.promptTokens += tokens.ids.length;
        this.#notePrompt(text, tokens.positions[0] as number, logits);
        if (sequence.tokens.length < text.prompt.length) return;
        text.isRead = true;
        const { cachedTokens, promptTokens } = text;
        text.events.push({ kind: "read", cachedTokens, prompt: promptTokens });
      }
      const last = logits.at(-1);
      if (text.isOver) return;
      if (text.growing === undefined || last === undefined) return text.end();
      const token = text.growing.choose(await checkLogits(last, this.#runner, sequence.tokens));
      this.#counts.generatedTokens++;
      text.events.push({ kind: "token", token });
      if (text.growing.finished) text.end();
    } catch (error) {
      sequence.reset();
      text.end(LabError.from(error));
    }
  }

  /** Log-probabilities of the tokens that follow the rows from `start` on. */
  #notePrompt(text: BatchText, start: number, logits: readonly Float32Array[]): void {
    const { promptTop: top, prompt, promptTokens } = text;
    if (top === undefined) return;
    const count = this.#tokenizer?.vocabSize ?? Infinity;
    if (start === 0) promptTokens.push({ id: prompt[0] as number, logprob: null, top: [] });
    logits.forEach((row, i) => {
      const id = prompt[start + i + 1];
      if (id !== undefined) promptTokens.push(promptToken(id, row, { top, count }));
    });
  }

  /** Ends what is in work, and frees the caches once nothing computes with them. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const text of [...this.#waiting, ...this.#active]) this.#cancel(text);
    await this.#running;
    this.#slots[Symbol.dispose]();
  }
}

function sharedBlocks(a: readonly number[], b: readonly number[]): number {
  const longest = Math.min(a.length - 1, b.length);
  let common = 0;
  while (common < longest && a[common] === b[common]) common++;
  return wholeBlocks(common);
}
