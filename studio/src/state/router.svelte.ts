/**
 * The address is the state: `#/playground?prompt=…&temperature=0.8`. It stands behind `#`, so that no prompt reaches a server's log.
 */
import { decodeParams, encodeParams, type ParamValue } from "./params.ts";

export interface Route {
  /** The view's name. */
  view: string;
  /** Its parameters, as text. */
  query: string;
}

function readRoute(): Route {
  const [, view = "", query = ""] = /^#\/?([^?]*)\??(.*)$/s.exec(location.hash) ?? [];
  return { view, query };
}

export const route = $state<Route>(readRoute());

/** What was wrong in the address: shown until the person goes elsewhere. */
export const linkProblems = $state<{ list: string[] }>({ list: [] });

addEventListener("hashchange", () => {
  linkProblems.list = [];
  Object.assign(route, readRoute());
});

/** The address of a view with parameters, for links and for `copy link`. */
export function addressOf(view: string, params: Readonly<Record<string, ParamValue>> = {}): string {
  const query = encodeParams(params);
  return `#/${view}${query === "" ? "" : `?${query}`}`;
}

export function navigate(view: string, params: Readonly<Record<string, ParamValue>> = {}): void {
  location.hash = addressOf(view, params);
}

/** The widest type of a value, so that a default of `""` allows any text. */
type Widened<T> = T extends boolean
  ? boolean
  : T extends number
    ? number
    : T extends string
      ? string
      : T;

export type UrlState<T> = { -readonly [K in keyof T]: Widened<T[K]> };

/**
 * A view's parameters: read from the address, written back as they change, those that differ from their default only. Call it while
 * the component is made. What the address has in another form than its default is left out, and `linkProblems` says so.
 *
 * @example const params = urlState("playground", { prompt: "", temperature: 0.8 });
 */
export function urlState<const T extends Readonly<Record<string, ParamValue>>>(
  view: string,
  defaults: T,
): UrlState<T> {
  const { values, problems } = decodeParams(route.query, defaults);
  const state = $state(values) as Record<string, ParamValue>;
  linkProblems.list = problems;
  let written = route.query;

  // The address was changed by a person or a link.
  $effect(() => {
    if (route.view !== view || route.query === written) return;
    written = route.query;
    const decoded = decodeParams(route.query, defaults);
    linkProblems.list = decoded.problems;
    Object.assign(state, decoded.values);
  });

  $effect(() => {
    const changed = Object.entries(defaults).flatMap(([name, fallback]) => {
      const value = $state.snapshot(state[name]) as ParamValue;
      return JSON.stringify(value) === JSON.stringify(fallback) ? [] : [[name, value] as const];
    });
    const query = encodeParams(Object.fromEntries(changed));
    const timer = setTimeout(() => {
      if (query === written || route.view !== view) return;
      written = query;
      history.replaceState(null, "", `#/${view}${query === "" ? "" : `?${query}`}`);
      route.query = query;
    }, 150);
    return () => clearTimeout(timer);
  });
  return state as UrlState<T>;
}
