/** Log-probabilities in OpenAI's two forms. */
import type { LikelyToken, ReadToken, WrittenToken } from "../worker/complete.ts";

/** Of `/v1/completions`: parallel arrays. */
export interface CompletionLogprobs {
  tokens: string[];
  token_logprobs: (number | null)[];
  /** Null for the first token of a prompt, which nothing precedes. */
  top_logprobs: (Record<string, number> | null)[];
  /** Where each token begins in the text of the choice, in characters (Unicode code points). */
  text_offset: number[];
}

/** Keeps track of where tokens begin in the text of a choice. */
export class LogprobsWriter {
  readonly #decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  #offset = 0;

  /** The arrays of some tokens that come next. */
  write(tokens: readonly (ReadToken | WrittenToken)[]): CompletionLogprobs {
    const found: CompletionLogprobs = {
      ...{ tokens: [], token_logprobs: [], top_logprobs: [], text_offset: [] },
    };
    for (const { token, bytes, logprob, top } of tokens) {
      found.tokens.push(token);
      found.token_logprobs.push(logprob);
      found.top_logprobs.push(logprob === null ? null : byText(top));
      found.text_offset.push(this.#offset);
      const text = this.#decoder.decode(Uint8Array.from(bytes), { stream: true });
      this.#offset += [...text].length;
    }
    return found;
  }
}

/** Of tokens with one text, the likeliest. */
function byText(top: readonly LikelyToken[]): Record<string, number> {
  const found: Record<string, number> = {};
  for (const { token, logprob } of top) found[token] ??= logprob;
  return found;
}

/** Of `/v1/chat/completions`: a list of tokens. */
export function chatLogprobs({ token, bytes, logprob, top }: WrittenToken): object {
  return {
    ...{ token, logprob, bytes },
    top_logprobs: top.map((one) => ({ token: one.token, logprob: one.logprob, bytes: one.bytes })),
  };
}
