/** A text that is written while values inside are changed. */
import type { Edit } from "../../../../src/interpret/index.ts";
import { postEvents } from "../../api/client.ts";
import { Failure } from "../../api/failure.ts";

export interface SteeredRequest {
  model?: string | undefined;
  prompt: string;
  edits: readonly Edit[];
  max_tokens: number;
  temperature: number;
  seed: number;
}

type Written =
  | { text: string; token: { token: string; logprob: number } }
  | { text?: undefined; result: object };

export class SteeredText {
  text = $state("");
  tokens = $state.raw<readonly { token: string; logprob: number }[]>([]);
  failure = $state.raw<Failure>();
  isBusy = $state(false);
  #stop: AbortController | undefined;

  stop(): void {
    this.#stop?.abort();
  }

  async start(request: SteeredRequest): Promise<void> {
    this.stop();
    const stop = new AbortController();
    this.#stop = stop;
    this.text = "";
    this.tokens = [];
    this.failure = undefined;
    this.isBusy = true;
    try {
      const { signal } = stop;
      for await (const event of postEvents<Written>("/v1/lab/generate", request, { signal })) {
        if (event.text === undefined || this.#stop !== stop) continue;
        this.text += event.text;
        this.tokens = [...this.tokens, event.token];
      }
    } catch (thrown) {
      if (this.#stop === stop) this.failure = Failure.from(thrown);
    }
    if (this.#stop === stop) this.isBusy = false;
  }
}
