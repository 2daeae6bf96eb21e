/** A training as it goes: its metrics step by step, under SAELens' names. */
import { getEvents, getJson } from "../../api/client.ts";
import { Failure } from "../../api/failure.ts";
import type { DescribedRun } from "../../api/types.ts";
import { connection } from "../../state/connection.svelte.ts";

export interface Row {
  step: number;
  metrics: Readonly<Record<string, number>>;
}

interface Event {
  step?: number;
  attempt: number;
  metrics?: Record<string, number | string>;
}

/** Watches a run from its first event. Call it while the component is made. @param id - "" for none */
export function watchTraining(id: () => string): {
  readonly rows: readonly Row[];
  readonly failure: Failure | undefined;
  readonly record: DescribedRun | undefined;
} {
  let rows = $state.raw<readonly Row[]>([]);
  let failure = $state.raw<Failure>();
  let record = $state.raw<DescribedRun>();

  async function watch(run: string, signal: AbortSignal): Promise<void> {
    const path = `/v1/lab/runs/${encodeURIComponent(run)}`;
    record = await getJson<DescribedRun>(path, { signal });
    // Steps that a later attempt does again take the place of the first.
    let found: Row[] = [];
    let told = 0;
    for await (const { step, metrics } of getEvents<Event>(`${path}/events`, { signal })) {
      if (step === undefined || metrics?.["mse_loss"] === undefined) continue;
      found = [...found.filter((row) => row.step < step), { step, metrics: numbersOf(metrics) }];
      if (performance.now() - told < 200) continue;
      told = performance.now();
      rows = found;
    }
    rows = found;
    record = await getJson<DescribedRun>(path, { signal });
  }

  $effect(() => {
    const run = id();
    void connection.epoch;
    rows = [];
    failure = undefined;
    record = undefined;
    if (run === "") return undefined;
    const stop = new AbortController();
    watch(run, stop.signal).catch((thrown: unknown) => {
      if (!stop.signal.aborted) failure = Failure.from(thrown);
    });
    return () => stop.abort();
  });

  return {
    get rows() {
      return rows;
    },
    get failure() {
      return failure;
    },
    get record() {
      return record;
    },
  };
}

function numbersOf(metrics: Record<string, number | string>): Record<string, number> {
  return Object.fromEntries(Object.entries(metrics).map(([name, value]) => [name, Number(value)]));
}
