/** A part of a remote file, however often the server stalls, breaks off or asks to wait. */
import { setTimeout as sleep } from "node:timers/promises";
import { LabError } from "../../base/errors.ts";

export interface FetchOptions {
  accessToken?: string | undefined;
  /** A connection that says nothing for so long counts as stalled. */
  stallMs: number;
  /** Attempts that bring nothing, one after another. */
  maxRetries: number;
  /** Wait before the first repetition; it doubles with each. */
  backoffMs: number;
  signal?: AbortSignal | undefined;
}

/** What a file was when its first bytes came. */
export interface RemoteIdentity {
  sizeBytes: number;
  etag?: string;
}

/** The file on the server is another one than before. */
export class FileChanged extends Error {}

const MAX_WAIT_MS = 60_000;

/**
 * Gives bytes `start` up to `end` to `take`, in order and each once.
 *
 * @throws FileChanged, LabError `not_found`, `bad_input` (not allowed), `engine_failed` where the attempts are used up,
 *   `interrupted`
 */
export async function fetchRange(
  url: string,
  { start, end }: { start: number; end: number },
  {
    identity,
    take,
    ...options
  }: FetchOptions & {
    identity: RemoteIdentity;
    take: (bytes: Uint8Array, offset: number) => Promise<void>;
  },
): Promise<void> {
  const { maxRetries, backoffMs, signal } = options;
  let at = start;
  let fruitless = 0;
  for (;;) {
    const before = at;
    let trouble: { message: string; waitMs?: number };
    try {
      const found = await attempt(
        url,
        { start: at, end },
        {
          ...options,
          identity,
          take: async (bytes) => {
            await take(bytes, at);
            at += bytes.length;
          },
        },
      );
      if (at >= end) return;
      trouble = found ?? { message: `${end - at} bytes are missing at the end` };
    } catch (error) {
      if (signal?.aborted === true)
        throw new LabError("interrupted", "interrupted", { cause: error });
      if (error instanceof LabError || error instanceof FileChanged) throw error;
      const { message, cause } = error as Error;
      trouble = { message: cause instanceof Error ? cause.message : message };
    }
    fruitless = at > before ? 0 : fruitless + 1;
    if (fruitless > maxRetries)
      throw new LabError(
        "engine_failed",
        `${url}: ${maxRetries + 1} attempts failed; the last: ${trouble.message}`,
        {
          hint: "What came is kept. Run the same command again to go on.",
        },
      );
    const waitMs = Math.max(trouble.waitMs ?? 0, backoffMs * 2 ** Math.max(0, fruitless - 1));
    await sleep(Math.min(MAX_WAIT_MS, waitMs), undefined, signal === undefined ? {} : { signal });
  }
}

async function attempt(
  url: string,
  { start, end }: { start: number; end: number },
  {
    identity,
    take,
    accessToken,
    stallMs,
    signal,
  }: FetchOptions & { identity: RemoteIdentity; take: (bytes: Uint8Array) => Promise<void> },
): Promise<{ message: string; waitMs?: number } | undefined> {
  const stalled = new AbortController();
  const timer = setTimeout(
    () => stalled.abort(new Error(`nothing came for ${stallMs} ms`)),
    stallMs,
  );
  try {
    const response = await fetch(url, {
      headers: {
        range: `bytes=${start}-${end - 1}`,
        // Bytes as they are: ranges of a compressed answer would be others.
        "accept-encoding": "identity",
        ...(accessToken === undefined ? {} : { authorization: `Bearer ${accessToken}` }),
      },
      signal: signal === undefined ? stalled.signal : AbortSignal.any([signal, stalled.signal]),
    });
    const { status } = response;
    if (status !== 200 && status !== 206) {
      await response.body?.cancel();
      return refuse(url, response);
    }
    // A server that knows no ranges sends everything.
    let skip = status === 200 ? start : 0;
    assertSame(response, { start, identity, isWhole: status === 200 });
    let missing = end - start;
    for await (const piece of response.body as unknown as AsyncIterable<Uint8Array>) {
      timer.refresh();
      const bytes = piece.subarray(Math.min(skip, piece.length)).subarray(0, missing);
      skip -= Math.min(skip, piece.length);
      if (bytes.length > 0) await take(bytes);
      missing -= bytes.length;
      if (missing === 0) break;
    }
    return undefined;
  } finally {
    clearTimeout(timer);
    stalled.abort();
  }
}

/** What a status says: to wait and try again, or an error that no attempt will mend. */
function refuse(url: string, { status, headers }: Response): { message: string; waitMs?: number } {
  if (status === 404) throw new LabError("not_found", `there is no ${url}`);
  if (status === 401 || status === 403)
    throw new LabError("bad_input", `${url} may not be read (status ${status})`, {
      hint: "Set HF_TOKEN, and accept the model's licence on its page.",
    });
  if (status === 416) throw new FileChanged("the file is shorter than it was");
  if (status < 500 && status !== 429 && status !== 408)
    throw new LabError("bad_input", `${url} answers with status ${status}`);
  const asked = headers.get("retry-after");
  const seconds = Number(asked ?? Number.NaN);
  const waitMs = Number.isFinite(seconds) ? 1000 * seconds : Date.parse(asked ?? "") - Date.now();
  return { message: `status ${status}`, ...(waitMs > 0 ? { waitMs } : {}) };
}

function assertSame(
  { headers }: Response,
  { start, identity, isWhole }: { start: number; identity: RemoteIdentity; isWhole: boolean },
): void {
  const [, first, total] =
    /^bytes (\d+)-\d+\/(\d+)$/.exec(headers.get("content-range") ?? "") ?? [];
  if (!isWhole && (Number(first) !== start || Number(total) !== identity.sizeBytes))
    throw new FileChanged(`it has ${total ?? "?"} bytes, not ${identity.sizeBytes}`);
  const length = headers.get("content-length");
  if (isWhole && length !== null && Number(length) !== identity.sizeBytes)
    throw new FileChanged(`it has ${length} bytes, not ${identity.sizeBytes}`);
  const etag = headers.get("etag")?.replace(/^W\//, "");
  if (etag === undefined) return;
  if (identity.etag !== undefined && identity.etag !== etag)
    throw new FileChanged("its ETag is another one");
  identity.etag = etag;
}
