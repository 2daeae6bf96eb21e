/** A patching sweep that fills while it runs. */
import { postEvents } from "../../api/client.ts";
import { Failure } from "../../api/failure.ts";
import type { PatchAnswer, PatchEvent } from "../../api/lab.ts";

export interface PatchRequest {
  model?: string | undefined;
  clean: string;
  corrupted: string;
  answer: string;
  against: string;
  site: string;
}

interface PatchMap {
  axes: string[];
  shape: number[];
  layers: readonly number[];
  /** Cells that are not done are no numbers. */
  values: Float64Array;
  control: Float64Array;
}

type StreamEvent = PatchEvent | { kind?: undefined; result: PatchAnswer };

export class PatchRun {
  /** Replaced at every event, so that it is drawn anew. */
  map = $state.raw<PatchMap>();
  baselines = $state.raw<PatchAnswer["baselines"]>();
  share = $state(0);
  failure = $state.raw<Failure>();
  result = $state.raw<PatchAnswer>();
  isBusy = $state(false);
  #stop: AbortController | undefined;

  stop(): void {
    this.#stop?.abort();
  }

  async start(request: PatchRequest): Promise<void> {
    this.stop();
    const stop = new AbortController();
    this.#stop = stop;
    this.map = undefined;
    this.result = undefined;
    this.failure = undefined;
    this.share = 0;
    this.isBusy = true;
    try {
      const body = { ...request, stream: true };
      for await (const event of postEvents<StreamEvent>("/v1/lab/patch", body, {
        signal: stop.signal,
      }))
        this.#take(event);
    } catch (thrown) {
      if (this.#stop === stop) this.failure = Failure.from(thrown);
    }
    if (this.#stop === stop) this.isBusy = false;
  }

  #take(event: StreamEvent): void {
    if (event.kind === undefined) {
      this.result = event.result;
      return;
    }
    if (event.kind === "progress") this.share = event.done / event.total;
    if (event.kind === "begin") {
      const { axes, shape, layers } = event;
      const count = shape.reduce((a, b) => a * b, 1);
      const empty = (): Float64Array => new Float64Array(count).fill(NaN);
      this.baselines = event.baselines;
      this.map = { axes, shape, layers, values: empty(), control: empty() };
    }
    if (event.kind === "values" && this.map !== undefined) {
      for (const { of, index, value } of event.found) this.map[of][index] = value;
      this.map = { ...this.map };
    }
  }
}

/** The places that recover most, with what a random change does there. */
export function strongest(
  { values, control }: Pick<PatchMap, "values" | "control">,
  count: number,
): { index: number; value: number; control: number }[] {
  return [...values.keys()]
    .filter((i) => !Number.isNaN(values[i] ?? NaN))
    .sort((a, b) => Math.abs(values[b] ?? 0) - Math.abs(values[a] ?? 0))
    .slice(0, count)
    .map((index) => ({ index, value: values[index] ?? NaN, control: control[index] ?? NaN }));
}
