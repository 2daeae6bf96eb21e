/** What the address of the playground holds. The usual values are a worked example on the bundled model. */
import type { UrlState } from "../../state/router.svelte.ts";
import type { Sampling } from "./generation.svelte.ts";

export const DEFAULTS = {
  /** Empty: the server's first. */
  model: "",
  /** Beside it; empty: none. */
  beside: "",
  format: "code",
  prompt: 'def count_even(xs):\n    """Return the number of the even numbers in xs."""',
  /** Of a conversation, before the prompt. */
  turns: [] as readonly string[],
  max_tokens: 64,
  temperature: 0,
  top_p: 1,
  top_k: 0,
  min_p: 0,
  typical_p: 1,
  repetition_penalty: 1,
  frequency_penalty: 0,
  presence_penalty: 0,
  seed: 1,
  stop: [] as readonly string[],
  colored: true,
} as const;

export type PlaygroundState = UrlState<typeof DEFAULTS>;

/** Likeliest tokens that are asked for at each place. */
const LOGPROBS = 8;

export function samplingOf(state: PlaygroundState, stops: readonly string[]): Sampling {
  const { max_tokens, temperature, top_p, top_k, min_p, typical_p, seed } = state;
  const { repetition_penalty, frequency_penalty, presence_penalty } = state;
  return {
    ...{ max_tokens, temperature, top_p, top_k, min_p, typical_p, seed },
    ...{ repetition_penalty, frequency_penalty, presence_penalty },
    stop: [...state.stop, ...stops],
    logprobs: LOGPROBS,
  };
}

/** Options that are not as usual, under the names that the library and the command line have for them. */
export function changedSampling(state: PlaygroundState): Record<string, number> {
  const names = {
    ...{ top_p: "topP", top_k: "topK", min_p: "minP", typical_p: "typicalP" },
    ...{ repetition_penalty: "repetitionPenalty", frequency_penalty: "frequencyPenalty" },
    presence_penalty: "presencePenalty",
  } as const;
  const changed = Object.entries(names).flatMap(([key, name]) => {
    const value = state[key as keyof typeof names];
    return value === DEFAULTS[key as keyof typeof names] ? [] : [[name, value] as const];
  });
  return {
    maxTokens: state.max_tokens,
    temperature: state.temperature,
    seed: state.seed,
    ...Object.fromEntries(changed),
  };
}
