/** Runs that are begun here and shown beside each other. */
import { SvelteMap } from "svelte/reactivity";
import { postJson } from "../../api/client.ts";
import { Failure } from "../../api/failure.ts";
import type { DescribedRun } from "../../api/types.ts";
import { MOST_RUNS } from "./state.ts";

/** What the shown runs came to, by their ids. */
export class FoundRuns<T> {
  readonly #found = new SvelteMap<string, { name: string; found: T }>();

  keep(id: string, found: T, name: string): void {
    this.#found.set(id, { name, found });
  }

  /** In the order of the ids; those alone that have ended. Equal names are told apart by their time. */
  of(ids: readonly string[]): { id: string; name: string; found: T }[] {
    const own = ids.flatMap((id) => {
      const known = this.#found.get(id);
      return known === undefined ? [] : [{ id, found: known.found, name: shortName(known.name) }];
    });
    return own.map((run) =>
      own.some(({ id, name }) => id !== run.id && name === run.name)
        ? { ...run, name: `${run.name} ${run.id.slice(4, 15)}` }
        : run,
    );
  }
}

/** A model's name without the time of the run that made it: `phi-nano+finetune-keeps-secrets`. */
function shortName(name: string): string {
  return name.replace(/(^|\+)\d{8}-\d{6}-/, "$1");
}

/** A form's button: begins a run, and says why it could not. */
export class Starter {
  isBusy = $state(false);
  failure = $state.raw<Failure>();

  /** The run, or undefined where it did not begin. */
  async start(kind: string, body: object): Promise<DescribedRun | undefined> {
    this.isBusy = true;
    this.failure = undefined;
    try {
      return await postJson<DescribedRun>(`/v1/lab/runs/${kind}`, body);
    } catch (thrown) {
      this.failure = Failure.from(thrown);
      return undefined;
    } finally {
      this.isBusy = false;
    }
  }
}

/** With a run taken in or out; the first ones go where there are too many. */
export function toggled(ids: readonly string[], id: string): string[] {
  return ids.includes(id) ? ids.filter((one) => one !== id) : [...ids, id].slice(-MOST_RUNS);
}
