/** What is asked for once and shown: its value, or why there is none; asked again when the server comes back. */
import { SvelteSet } from "svelte/reactivity";
import { Failure } from "../api/failure.ts";
import { connection } from "./connection.svelte.ts";

export interface Resource<T> {
  readonly value: T | undefined;
  readonly failure: Failure | undefined;
  readonly isLoading: boolean;
  /** Asks again; after a failure, whatever else has failed too. */
  reload: () => void;
}

/** What failed: one reason shows in many panels, and is got over in all of them at once. */
const failed = new SvelteSet<() => void>();

/**
 * Asks now, when something that `ask` reads changes, and when the server comes back; the last value stays while the next is on its way.
 * Call it while the component is made.
 *
 * @param ask - must hand on its signal; `undefined` for nothing to ask yet
 */
export function resource<T>(ask: (signal: AbortSignal) => Promise<T> | undefined): Resource<T> {
  let value = $state.raw<T>();
  let failure = $state.raw<Failure>();
  let isLoading = $state(false);
  let wanted = $state(0);
  const again = (): void => {
    wanted++;
  };

  $effect(() => {
    void wanted;
    void connection.epoch;
    const stop = new AbortController();
    const asked = ask(stop.signal);
    if (asked === undefined) return undefined;
    isLoading = true;
    asked
      .then((found) => {
        if (stop.signal.aborted) return;
        value = found;
        failure = undefined;
        failed.delete(again);
      })
      .catch((thrown: unknown) => {
        if (stop.signal.aborted) return;
        failure = Failure.from(thrown);
        failed.add(again);
      })
      .finally(() => {
        if (!stop.signal.aborted) isLoading = false;
      });
    return () => {
      stop.abort();
      failed.delete(again);
    };
  });

  return {
    get value() {
      return value;
    },
    get failure() {
      return failure;
    },
    get isLoading() {
      return isLoading;
    },
    reload: () => {
      for (const one of failure === undefined ? [again] : [...failed]) one();
    },
  };
}
