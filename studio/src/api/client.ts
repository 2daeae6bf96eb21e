/** Asking the server. Views call these functions and never `fetch`. */
import { readArrays, type NamedArrays } from "./arrays.ts";
import { readEvents } from "./events.ts";
import { Failure, failureOf } from "./failure.ts";
import { apiKey } from "./key.ts";

export interface AskOptions {
  signal?: AbortSignal;
}

/** Called with every outcome: whether the server answered at all, and with what status. */
type Listener = (outcome: { failure: Failure | undefined }) => void;
const listeners = new Set<Listener>();

/** Lets the shell know of every outcome; the result stops that. */
export function onOutcome(listener: Listener): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

async function ask(
  method: "GET" | "POST" | "DELETE",
  path: string,
  { body, signal }: AskOptions & { body?: unknown },
): Promise<Response> {
  const key = apiKey();
  try {
    const response = await fetch(path, {
      method,
      headers: {
        ...(method === "POST" ? { "content-type": "application/json" } : {}),
        ...(key === undefined ? {} : { authorization: `Bearer ${key}` }),
      },
      ...(method === "POST" ? { body: JSON.stringify(body ?? {}) } : {}),
      ...(signal === undefined ? {} : { signal }),
    });
    if (!response.ok) throw failureOf(response.status, await response.json().catch(() => null));
    for (const listener of listeners) listener({ failure: undefined });
    return response;
  } catch (thrown) {
    const failure = Failure.from(thrown);
    for (const listener of listeners) listener({ failure });
    throw failure;
  }
}

export async function getJson<T>(path: string, options: AskOptions = {}): Promise<T> {
  return (await ask("GET", path, options)).json() as Promise<T>;
}

export async function getText(path: string, options: AskOptions = {}): Promise<string> {
  return (await ask("GET", path, options)).text();
}

export async function postJson<T>(
  path: string,
  body: unknown,
  options: AskOptions = {},
): Promise<T> {
  return (await ask("POST", path, { ...options, body })).json() as Promise<T>;
}

export async function deleteJson<T>(path: string, options: AskOptions = {}): Promise<T> {
  return (await ask("DELETE", path, options)).json() as Promise<T>;
}

/** Arrays behind a JSON header, as `/v1/lab/attention` and `/v1/lab/capture` answer. */
export async function postArrays(
  path: string,
  body: unknown,
  options: AskOptions = {},
): Promise<NamedArrays> {
  return readArrays(await (await ask("POST", path, { ...options, body })).arrayBuffer());
}

/** The events of a stream, as they come; an event that tells of an error is thrown. */
export async function* postEvents<T extends object>(
  path: string,
  body: unknown,
  options: AskOptions = {},
): AsyncGenerator<T, void, undefined> {
  yield* events<T>(await ask("POST", path, { ...options, body }));
}

export async function* getEvents<T extends object>(
  path: string,
  options: AskOptions = {},
): AsyncGenerator<T, void, undefined> {
  yield* events<T>(await ask("GET", path, options));
}

async function* events<T extends object>(response: Response): AsyncGenerator<T, void, undefined> {
  try {
    for await (const data of readEvents(response)) {
      if (data === "[DONE]") return;
      const value = JSON.parse(data) as { error?: object };
      if (typeof value.error === "object") throw failureOf(500, value);
      yield value as T;
    }
  } catch (thrown) {
    throw Failure.from(thrown);
  }
  throw new Failure({ code: "unreachable", message: "the answer broke off: the server went away" });
}
