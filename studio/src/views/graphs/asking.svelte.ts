/** A graph that is asked for, with its progress. */
import { postEvents } from "../../api/client.ts";
import type { GraphAnswer } from "../../api/features.ts";
import { Failure } from "../../api/failure.ts";

type Event = { done: number; total: number } | { done?: undefined; result: GraphAnswer };

export class GraphRequest {
  answer = $state.raw<GraphAnswer>();
  failure = $state.raw<Failure>();
  share = $state(0);
  isBusy = $state(false);
  #stop: AbortController | undefined;

  stop(): void {
    this.#stop?.abort();
  }

  async start(body: object): Promise<void> {
    this.stop();
    const stop = new AbortController();
    this.#stop = stop;
    this.failure = undefined;
    this.share = 0;
    this.isBusy = true;
    try {
      const { signal } = stop;
      for await (const event of postEvents<Event>("/v1/lab/graph", body, { signal })) {
        if (this.#stop !== stop) return;
        if (event.done === undefined) this.answer = event.result;
        else this.share = event.done / event.total;
      }
    } catch (thrown) {
      if (this.#stop === stop) this.failure = Failure.from(thrown);
    }
    if (this.#stop === stop) this.isBusy = false;
  }
}
