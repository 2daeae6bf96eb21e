/** `events.jsonl`: what a run reports on its way, one JSON object per line, only ever appended to. */
import { open, type FileHandle } from "node:fs/promises";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { LabError } from "../base/errors.ts";
import { toJson } from "../base/json.ts";
import { runEventSchema, type RunEvent } from "./record.ts";

export type EventFields = Omit<RunEvent, "at" | "attempt">;

const NEWLINE = 0x0a;
const READ_BYTES = 1 << 16;

/** Appends to a run's events. One writer at a time: the process that holds the attempt. */
export class EventLog {
  readonly #handle: FileHandle;
  readonly #attempt: number;
  #writing: Promise<void> = Promise.resolve();
  #failure: LabError | undefined;
  /** Where this attempt's events begin. */
  readonly startByte: number;

  private constructor(handle: FileHandle, attempt: number, startByte: number) {
    this.#handle = handle;
    this.#attempt = attempt;
    this.startByte = startByte;
  }

  /** Opens the log for an attempt; cuts off a last line that a crash left half-written. */
  static async open(folder: string, attempt: number): Promise<EventLog> {
    const handle = await open(eventsFile(folder), "a+");
    const completeBytes = await endOfLastLine(handle);
    await handle.truncate(completeBytes);
    return new EventLog(handle, attempt, completeBytes);
  }

  /** Queues a line. Throws where an earlier line could not be written (`disk_full`): nothing is lost in silence. */
  append(fields: EventFields): void {
    if (this.#failure) throw this.#failure;
    const event = { at: new Date().toISOString(), attempt: this.#attempt, ...fields };
    const line = `${toJson(event)}\n`;
    this.#writing = this.#writing
      .then(() => this.#handle.appendFile(line))
      .catch((error: unknown) => {
        this.#failure ??= LabError.from(error);
      });
  }

  /** Waits for the queued lines, then closes the file. Throws where a line could not be written. */
  async close(): Promise<void> {
    await this.#writing;
    await this.#handle.close();
    if (this.#failure) throw this.#failure;
  }
}

export interface TailOptions {
  /** Where to begin; 0 is the first event ever. */
  fromByte?: number;
  /** Whether the run may still write: while it says yes, the tail waits for more. Without it, the tail ends at the end. */
  isLive?: () => Promise<boolean>;
  signal?: AbortSignal | undefined;
  /** How often to look. */
  intervalMs?: number;
}

/**
 * The events of a run, then those that come, until the run is no longer live. A run without events has none.
 * Throws `corrupt_file` for a line that is no event, `interrupted` when `signal` is aborted.
 */
export async function* tailEvents(
  folder: string,
  {
    fromByte = 0,
    isLive = () => Promise.resolve(false),
    signal,
    intervalMs = 200,
  }: TailOptions = {},
): AsyncGenerator<RunEvent, void, undefined> {
  let position = fromByte;
  for (;;) {
    // Asked before reading: what a run wrote before it ended is then read for sure.
    const live = await isLive();
    for await (const { line, endByte } of readLines(eventsFile(folder), position)) {
      signal?.throwIfAborted();
      yield parseEvent(line, folder, position);
      position = endByte;
    }
    if (!live) return;
    await sleep(intervalMs, undefined, signal ? { signal } : {});
  }
}

/** Complete lines from `startByte` on; what follows the last newline is still being written. */
async function* readLines(
  file: string,
  startByte: number,
): AsyncGenerator<{ line: string; endByte: number }, void, undefined> {
  const handle = await open(file, "r").catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  });
  if (!handle) return;
  try {
    const chunk = Buffer.alloc(READ_BYTES);
    let rest = Buffer.alloc(0);
    let lineStart = startByte;
    for (;;) {
      const { bytesRead } = await handle.read(chunk, 0, READ_BYTES, lineStart + rest.length);
      if (bytesRead === 0) return;
      rest = Buffer.concat([rest, chunk.subarray(0, bytesRead)]);
      for (let end = rest.indexOf(NEWLINE); end >= 0; end = rest.indexOf(NEWLINE)) {
        const line = rest.toString("utf8", 0, end);
        rest = rest.subarray(end + 1);
        lineStart += end + 1;
        yield { line, endByte: lineStart };
      }
    }
  } finally {
    await handle.close();
  }
}

function parseEvent(line: string, folder: string, startByte: number): RunEvent {
  try {
    return runEventSchema.parse(JSON.parse(line));
  } catch (error) {
    throw new LabError("corrupt_file", `${eventsFile(folder)}: no event at byte ${startByte}`, {
      cause: error,
    });
  }
}

/** The byte after the file's last newline. */
async function endOfLastLine(handle: FileHandle): Promise<number> {
  let { size: end } = await handle.stat();
  const chunk = Buffer.alloc(READ_BYTES);
  while (end > 0) {
    const start = Math.max(0, end - READ_BYTES);
    const { bytesRead } = await handle.read(chunk, 0, end - start, start);
    const newline = chunk.subarray(0, bytesRead).lastIndexOf(NEWLINE);
    if (newline >= 0) return start + newline + 1;
    end = start;
  }
  return 0;
}

function eventsFile(folder: string): string {
  return path.join(folder, "events.jsonl");
}
