/** Texts that continue prompts, as choices of one request. */
import { setMaxListeners } from "node:events";
import type { FinishReason } from "../../generate/generate.ts";
import type { Prompt } from "../../generate/language-model.ts";
import type { Alternative } from "../../generate/sampler.ts";
import { resolveSampling, type SamplingOptions } from "../../generate/sampling-options.ts";
import type { AdapterFiles } from "./model-host.ts";
import type { OperationContext } from "./operations.ts";
import { tokenText, type TokenText } from "./token-text.ts";

export interface CompleteArguments {
  prompts: readonly Prompt[];
  /** Choices for each prompt. */
  n: number;
  /** Whether to make tokens at all; only the prompts are read otherwise. */
  readOnly: boolean;
  /** Log-probabilities of the prompts, with so many of the likeliest tokens. */
  promptTop: number | undefined;
  /** The text of the prompts is wanted. */
  echo: boolean;
  sampling: SamplingOptions;
  adapter: AdapterFiles | null;
  client: string;
}

export interface LikelyToken extends TokenText {
  logprob: number;
}

export interface ReadToken extends TokenText {
  /** Null for the first token of a prompt. */
  logprob: number | null;
  top: LikelyToken[];
}

export interface WrittenToken extends LikelyToken {
  top: LikelyToken[];
}

export type CompleteEvent =
  /** Nothing is wrong with the request, and there is room for it. */
  | { kind: "accepted" }
  | { kind: "read"; choice: number; text: string; tokens: ReadToken[] }
  | {
      kind: "token";
      choice: number;
      /** Text that is certain by now. */
      text: string;
      token: WrittenToken;
      finishReason?: FinishReason;
    };

export interface CompleteResult {
  promptTokens: number;
  cachedTokens: number;
  completionTokens: number;
  /** The seed that all choices drew from. */
  seed: number;
}

/**
 * Every choice is a text of its own in the batch; those of one prompt read it once. Choice `i` draws from stream `i` of the
 * seed.
 */
export async function complete(
  args: CompleteArguments,
  { host, signal: outer, emit }: OperationContext<CompleteEvent>,
): Promise<CompleteResult> {
  const { prompts, n, readOnly, promptTop, echo, adapter, client } = args;
  const { model } = host;
  const tokenizer = model.hasTokenizer ? model.tokenizer : undefined;
  const ids = prompts.map((prompt) => model.promptIds(prompt));
  const sampling = resolveSampling(args.sampling);
  const batcher = await host.batcher(adapter);
  const named = <T extends Alternative>({ id, logprob }: T): LikelyToken => ({
    ...tokenText(tokenizer, id),
    logprob,
  });
  const result: CompleteResult = {
    promptTokens: ids.reduce((sum, prompt) => sum + prompt.length, 0),
    cachedTokens: 0,
    completionTokens: 0,
    seed: sampling.seed,
  };
  // One choice that fails ends the others.
  const stop = new AbortController();
  const signal = AbortSignal.any([outer, stop.signal]);
  setMaxListeners(prompts.length * n, signal); // each text listens
  const write = async (choice: number): Promise<void> => {
    const prompt = ids[Math.floor(choice / n)] as readonly number[];
    // The start token is no part of a text that was sent.
    const isText = typeof prompts[Math.floor(choice / n)] === "string";
    const hidden = isText && tokenizer?.addBosToken === true ? 1 : 0;
    const request = { ...sampling, prompt, index: choice, client, readOnly, signal };
    const top = promptTop === undefined ? {} : { promptTop };
    for await (const event of batcher.generate({ ...request, ...top })) {
      if (event.kind === "read") {
        if (choice % n === 0) result.cachedTokens += event.cachedTokens;
        const tokens = event.prompt.slice(hidden).map((token) => ({
          ...{ ...tokenText(tokenizer, token.id), logprob: token.logprob },
          top: token.top.map(named),
        }));
        const text = echo && tokenizer !== undefined ? tokenizer.decode(prompt.slice(hidden)) : "";
        emit({ kind: "read", choice, text, tokens });
        continue;
      }
      const { token } = event;
      result.completionTokens++;
      emit({
        ...{ kind: "token", choice, text: token.text },
        token: { ...named(token), top: token.top.map(named) },
        ...(token.finishReason === undefined ? {} : { finishReason: token.finishReason }),
      });
    }
  };
  const texts = Array.from({ length: prompts.length * n }, (_, choice) => write(choice));
  try {
    const all = Promise.all(texts);
    // What is refused is refused at once.
    await Promise.race([all, new Promise((resolve) => setImmediate(resolve))]);
    emit({ kind: "accepted" });
    await all;
  } catch (error) {
    stop.abort(error);
    await Promise.allSettled(texts);
    throw error;
  }
  return result;
}
