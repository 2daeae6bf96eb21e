/** A run that is watched: how far it is, and what it has become. It may outlive the page and the server. */
import { getEvents, getJson } from "../api/client.ts";
import { Failure } from "../api/failure.ts";
import type { DescribedRun } from "../api/types.ts";
import { connection } from "./connection.svelte.ts";

interface RunEvent {
  step?: number;
  total?: number;
  rate?: number;
  message?: string;
  state?: string;
}

export interface WatchedRun {
  readonly record: DescribedRun | undefined;
  readonly failure: Failure | undefined;
  /** 0 to 1, where it is known. */
  readonly share: number | undefined;
  /** In the run's own unit; undefined before anything was said. */
  readonly step: number | undefined;
  readonly total: number | undefined;
  /** What it said last. */
  readonly message: string;
  readonly rate: number | undefined;
  /** Asks and watches anew, such as after it was resumed. */
  reload: () => void;
}

/**
 * Watches a run until it ends, again when the server comes back. Call it while the component is made.
 *
 * @param id - the run's; "" for none
 * @param onend - called when a run that was at work has ended
 */
export function watchRun(id: () => string, onend: () => void = () => undefined): WatchedRun {
  let record = $state.raw<DescribedRun>();
  let failure = $state.raw<Failure>();
  let last = $state.raw<RunEvent>({});
  let message = $state("");
  let wanted = $state(0);

  async function watch(run: string, signal: AbortSignal): Promise<void> {
    const path = `/v1/lab/runs/${encodeURIComponent(run)}`;
    record = await getJson<DescribedRun>(path, { signal });
    if (record.state !== "queued" && record.state !== "running") return;
    for await (const event of getEvents<RunEvent>(`${path}/events`, { signal })) {
      if (event.step !== undefined) last = event;
      if (event.message !== undefined) ({ message } = event);
      if (event.state === "running") record = { ...record, state: "running" };
    }
    record = await getJson<DescribedRun>(path, { signal });
    onend();
  }

  $effect(() => {
    const run = id();
    void wanted;
    void connection.epoch;
    record = undefined;
    failure = undefined;
    last = {};
    message = "";
    if (run === "") return undefined;
    const stop = new AbortController();
    watch(run, stop.signal).catch((thrown: unknown) => {
      if (!stop.signal.aborted) failure = Failure.from(thrown);
    });
    return () => stop.abort();
  });

  return {
    get record() {
      return record;
    },
    get failure() {
      return failure;
    },
    get share() {
      return last.step === undefined || !last.total ? undefined : last.step / last.total;
    },
    get step() {
      return last.step;
    },
    get total() {
      return last.total;
    },
    get message() {
      return message;
    },
    get rate() {
      return last.rate;
    },
    reload: () => {
      wanted++;
    },
  };
}
