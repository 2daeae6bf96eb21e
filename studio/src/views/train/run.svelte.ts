/** A run as the view shows it: its record, its measured steps and its samples, kept fresh while it is at work. */
import type { RunEvent, RunRecord } from "../../../../src/jobs/record.ts";
import type { StepMetrics } from "../../../../src/train/metrics.ts";
import { getEvents, getJson, postJson } from "../../api/client.ts";
import { Failure } from "../../api/failure.ts";

export type ShownRun = RunRecord & {
  /** The name under which what it made answers. */
  answersAs: string | null;
};

export interface Sample {
  step: number;
  prompt: string;
  text: string;
}

/** Where heads looked at a step, on the first sample's prompt. */
export interface AttentionAt {
  step: number;
  layers: number;
  heads: number;
  tokens: readonly string[];
  /** `[layers, heads, tokens, tokens]`, 255 for a share of 1. */
  values: Uint8Array;
}

const pathOf = (id: string): string => `/v1/lab/runs/${encodeURIComponent(id)}`;
/** Measured steps are asked for this often at most. */
const EVERY_MS = 700;

export const isAtWork = ({ state }: Pick<RunRecord, "state">): boolean =>
  state === "queued" || state === "running";

export function listRuns(signal: AbortSignal): Promise<{ runs: ShownRun[] }> {
  return getJson<{ runs: ShownRun[] }>("/v1/lab/runs", { signal });
}

export class RunWatch {
  readonly id: string;
  record = $state.raw<ShownRun>();
  rows = $state.raw<readonly StepMetrics[]>([]);
  samples = $state.raw<readonly Sample[]>([]);
  attention = $state.raw<readonly AttentionAt[]>([]);
  share = $state<number>();
  failure = $state.raw<Failure>();
  readonly #stop = new AbortController();
  #askedMs = -Infinity;

  constructor(id: string) {
    this.id = id;
    void this.#follow();
  }

  close(): void {
    this.#stop.abort();
  }

  /** Goes on where watching broke off. */
  again(): void {
    if (this.failure === undefined) return;
    this.failure = undefined;
    void this.#follow();
  }

  async act(what: "cancel" | "resume"): Promise<void> {
    this.failure = undefined;
    try {
      this.record = await postJson<ShownRun>(`${pathOf(this.id)}/${what}`, {});
      if (what === "resume") await this.#follow();
    } catch (thrown) {
      this.failure = Failure.from(thrown);
    }
  }

  async #follow(): Promise<void> {
    const { signal } = this.#stop;
    try {
      await this.#refresh();
      for await (const event of getEvents<RunEvent>(`${pathOf(this.id)}/events`, { signal })) {
        this.#take(event);
        if (performance.now() - this.#askedMs > EVERY_MS) await this.#refresh();
      }
      await this.#refresh();
    } catch (thrown) {
      if (!signal.aborted) this.failure = Failure.from(thrown);
    }
  }

  #take({ step, total, samples = [] }: RunEvent): void {
    if (step !== undefined && total !== undefined && total > 0) this.share = step / total;
    const shown = samples.flatMap(({ prompt, text }): Sample[] =>
      typeof prompt === "string" && typeof text === "string"
        ? [{ step: step ?? 0, prompt, text }]
        : [],
    );
    const looks = samples.flatMap((sample) => attentionOf(step ?? 0, sample) ?? []);
    if (looks.length > 0)
      this.attention = [...this.attention.filter((old) => old.step !== step), ...looks];
    if (shown.length === 0) return;
    // Steps that a later attempt does again.
    const kept = this.samples.filter((old) => !shown.some((one) => one.step === old.step));
    this.samples = [...kept, ...shown];
  }

  async #refresh(): Promise<void> {
    const { signal } = this.#stop;
    this.#askedMs = performance.now();
    const [record, { rows }] = await Promise.all([
      getJson<ShownRun>(pathOf(this.id), { signal }),
      getJson<{ rows: StepMetrics[] }>(`${pathOf(this.id)}/metrics`, { signal }),
    ]);
    this.record = record;
    this.rows = rows;
  }
}

function attentionOf(step: number, sample: Record<string, unknown>): AttentionAt | undefined {
  const { layers, heads, tokens, attention } = sample;
  if (typeof attention !== "string" || typeof layers !== "number" || typeof heads !== "number")
    return undefined;
  const values = Uint8Array.from(atob(attention), (character) => character.charCodeAt(0));
  return { step, layers, heads, tokens: tokens as string[], values };
}
