/** One text in a batch: its prompt, how far it was read, and what has been made of it. */
import type { CachedTokens } from "../../model/cached-tokens.ts";
import type { GeneratedToken } from "../generate.ts";
import type { GrowingText } from "../growing-text.ts";
import type { PromptToken } from "../prompt-logprobs.ts";
import type { Reuse } from "../sequence.ts";
import { Channel } from "./channel.ts";
import type { Slot } from "./slots.ts";

/** What the reader of a text gets, in this order. */
export type BatchEvent =
  | {
      kind: "read";
      /** Tokens of the prompt that a cache held already. */
      cachedTokens: number;
      /** Log-probabilities of the prompt, where they were asked for. */
      prompt: readonly PromptToken[];
    }
  | { kind: "token"; token: GeneratedToken };

export class BatchText {
  readonly prompt: readonly number[];
  readonly client: string;
  readonly reuse: Reuse;
  /** Likeliest tokens to report for each token of the prompt; undefined for no log-probabilities of it. */
  readonly promptTop: number | undefined;
  /** Undefined where only the prompt is read. */
  readonly growing: GrowingText | undefined;
  readonly events = new Channel<BatchEvent>();
  readonly promptTokens: PromptToken[] = [];
  slot: Slot | undefined;
  cachedTokens = 0;
  isRead = false;
  isOver = false;

  constructor(fields: Pick<BatchText, "prompt" | "client" | "reuse" | "promptTop" | "growing">) {
    this.prompt = fields.prompt;
    this.client = fields.client;
    this.reuse = fields.reuse;
    this.promptTop = fields.promptTop;
    this.growing = fields.growing;
  }

  /** Ends it: no step computes it any more. */
  end(error?: Error): void {
    this.isOver = true;
    this.events.end(error);
  }
}

/** A text's share of a step. */
export interface Part {
  text: BatchText;
  slot: Slot;
  tokens: CachedTokens;
}
