/** A text as a model writes it, token by token, and the branches that were tried from it. */
import { postEvents, postJson } from "../../api/client.ts";
import { Failure } from "../../api/failure.ts";
import type { ShownToken } from "../../ui/Tokens.svelte";

export interface LikelyToken {
  id: number;
  token: string;
  bytes: readonly number[];
  logprob: number;
}

export interface MadeToken extends LikelyToken {
  top: readonly LikelyToken[];
}

/** What `/v1/lab/generate` takes of sampling. */
export interface Sampling {
  max_tokens: number;
  temperature: number;
  top_p: number;
  top_k: number;
  min_p: number;
  typical_p: number;
  repetition_penalty: number;
  frequency_penalty: number;
  presence_penalty: number;
  seed: number;
  stop: readonly string[];
  logprobs: number;
}

export interface Request {
  model: string;
  prompt: string;
  sampling: Sampling;
}

export interface Branch {
  tokens: readonly MadeToken[];
  /** The text, less what ended it. */
  text: string;
  /** Where another token was put, and in which branch's place. */
  from: { at: number; instead: string } | undefined;
  /** `stop`, `length`, `end`; null while it is written or was stopped. */
  finishReason: string | null;
}

interface GenerateEvent {
  text: string;
  token: MadeToken;
  finishReason: string | null;
}

export class Generation {
  state: "idle" | "waiting" | "writing" | "done" | "stopped" | "failed" = $state("idle");
  failure = $state.raw<Failure>();
  branches = $state.raw<readonly Branch[]>([]);
  /** The branch that is shown. */
  shown = $state(0);
  tokensPerSecond = $state<number>();
  #request: Request | undefined;
  #promptIds: readonly number[] = [];
  #stop: AbortController | undefined;

  get isBusy(): boolean {
    return this.state === "waiting" || this.state === "writing";
  }

  get branch(): Branch | undefined {
    return this.branches[this.shown];
  }

  async start(request: Request): Promise<void> {
    this.stop();
    this.#request = request;
    this.branches = [];
    this.shown = 0;
    await this.#write({ kept: [], from: undefined }, async (signal) => {
      const body = { model: request.model, content: request.prompt, add_special: true };
      const { tokens } = await postJson<{ tokens: number[] }>("/tokenize", body, { signal });
      this.#promptIds = tokens;
    });
  }

  /** Goes on from before a token, with another in its place. */
  async branchAt(at: number, instead: LikelyToken): Promise<void> {
    const { branch } = this;
    const [place] = [branch?.tokens[at]];
    if (branch === undefined || place === undefined) return;
    this.stop();
    const kept = [...branch.tokens.slice(0, at), { ...instead, top: place.top }];
    await this.#write({ kept, from: { at, instead: instead.token } });
  }

  stop(): void {
    this.#stop?.abort();
    if (this.isBusy) this.state = "stopped";
  }

  async #write(
    { kept, from }: { kept: readonly MadeToken[]; from: Branch["from"] },
    before?: (signal: AbortSignal) => Promise<void>,
  ): Promise<void> {
    const request = this.#request;
    if (request === undefined) return;
    const stop = new AbortController();
    this.#stop = stop;
    this.failure = undefined;
    this.tokensPerSecond = undefined;
    this.state = "waiting";
    const tokens = [...kept];
    let text = textOf(kept);
    let finishReason: string | null = null;
    const index = this.branches.length;
    const show = (): void => {
      if (stop.signal.aborted) return;
      this.branches = [
        ...this.branches.slice(0, index),
        { tokens: [...tokens], text, from, finishReason },
      ];
      this.shown = index;
    };
    let frame = 0;
    try {
      await before?.(stop.signal);
      show();
      const { model, sampling } = request;
      const body = {
        ...{ model, prompt: [...this.#promptIds, ...kept.map(({ id }) => id)] },
        ...{ ...sampling, max_tokens: Math.max(1, sampling.max_tokens - kept.length) },
      };
      let firstMs = 0;
      for await (const event of postEvents<GenerateEvent | { result: object }>(
        "/v1/lab/generate",
        body,
        {
          signal: stop.signal,
        },
      )) {
        if ("result" in event) continue;
        if (this.state === "waiting") {
          this.state = "writing";
          firstMs = performance.now();
        }
        tokens.push(event.token);
        text += event.text;
        ({ finishReason } = event);
        const count = tokens.length - kept.length;
        if (count > 1) this.tokensPerSecond = (1000 * (count - 1)) / (performance.now() - firstMs);
        // Many tokens in one frame are drawn once.
        frame ||= requestAnimationFrame(() => {
          frame = 0;
          show();
        });
      }
      show();
      if (this.#stop === stop) this.state = "done";
    } catch (thrown) {
      if (this.#stop !== stop) return;
      const failure = Failure.from(thrown);
      if (!failure.isStopped) this.failure = failure;
      this.state = failure.isStopped ? "stopped" : "failed";
    } finally {
      cancelAnimationFrame(frame);
    }
  }
}

function textOf(tokens: readonly MadeToken[]): string {
  return new TextDecoder().decode(Uint8Array.from(tokens.flatMap(({ bytes }) => [...bytes])));
}

/** A branch's tokens to be shown: those behind the end of its text are marked. */
export function shownTokens({ tokens, text }: Branch): ShownToken[] {
  const length = new TextEncoder().encode(text).length;
  let at = 0;
  return tokens.map(({ token, bytes, logprob }) => {
    const isBeyond = bytes.length > 0 && at >= length;
    at += bytes.length;
    return { token, logprob, isBeyond };
  });
}

/** The mean surprise of a text, as perplexity. */
export function perplexityOf({ tokens }: Branch): number | undefined {
  if (tokens.length === 0) return undefined;
  return Math.exp(-tokens.reduce((sum, { logprob }) => sum + logprob, 0) / tokens.length);
}

/** The first place at which two texts differ. */
export function firstDifference(a: Branch | undefined, b: Branch | undefined): number | undefined {
  if (a === undefined || b === undefined) return undefined;
  const length = Math.min(a.tokens.length, b.tokens.length);
  for (let i = 0; i < length; i++) if (a.tokens[i]?.token !== b.tokens[i]?.token) return i;
  return a.tokens.length === b.tokens.length ? undefined : length;
}
