/**
 * Who works on a run: `attempts/1.json`, `attempts/2.json`, … One file for each try, made by the process that makes it
 * and ended by it. They are the lock as well: a run may be taken up when its last attempt has ended or its process is
 * dead, by creating the next file, which the file system lets only one process do. No file is ever removed, so there is
 * no moment at which two processes can both believe that they hold it.
 */
import { mkdir, open, readdir, readFile, stat } from "node:fs/promises";
import path from "node:path";
import { z } from "zod";
import { writeTextAtomic } from "../base/atomic.ts";
import { LabError } from "../base/errors.ts";
import { isAlive, processIdentitySchema, thisProcess } from "./process-identity.ts";

const attemptSchema = z.object({
  ...processIdentitySchema.shape,
  startedAt: z.iso.datetime(),
  endedAt: z.iso.datetime().optional(),
});
type AttemptRecord = z.output<typeof attemptSchema>;

/** Between creating an attempt's file and filling it lies a moment; an empty file older than this is a crash's. */
const FILLING_MS = 10_000;

export type AttemptState =
  | { at: "none" }
  | { at: "ended"; number: number }
  /** The process is gone and did not say how it ended. */
  | { at: "lost"; number: number; pid?: number }
  /** `remote`: on another machine, where nobody here can tell whether it still lives. */
  | { at: "working"; number: number; pid?: number; host?: string; remote: boolean };

/** Where a run's last attempt stands. */
export async function lastAttempt(folder: string): Promise<AttemptState> {
  const numbers = await attemptNumbers(folder);
  const number = Math.max(0, ...numbers);
  if (number === 0) return { at: "none" };
  const file = attemptFile(folder, number);
  const record = await readAttempt(file);
  if (!record) {
    const { mtimeMs } = await stat(file);
    return Date.now() - mtimeMs < FILLING_MS
      ? { at: "working", number, remote: false }
      : { at: "lost", number };
  }
  const { pid, host } = record;
  if (record.endedAt !== undefined) return { at: "ended", number };
  const life = isAlive(record);
  if (life === "dead") return { at: "lost", number, pid };
  return { at: "working", number, pid, host, remote: life === "elsewhere" };
}

/** The right to work on a run. */
export interface Attempt {
  readonly number: number;
  /** Gives it up; the next attempt may begin. */
  end(): Promise<void>;
}

/** Takes a run up. Throws `busy` where another process, or this one, works on it. */
export async function beginAttempt(folder: string): Promise<Attempt> {
  const last = await lastAttempt(folder);
  if (last.at === "working") throw busy(folder, last);
  const number = last.at === "none" ? 1 : last.number + 1;
  const record: AttemptRecord = { ...thisProcess(), startedAt: new Date().toISOString() };
  await mkdir(path.join(folder, "attempts"), { recursive: true });
  const file = attemptFile(folder, number);
  try {
    const handle = await open(file, "wx");
    try {
      await handle.writeFile(JSON.stringify(record));
    } finally {
      await handle.close();
    }
  } catch (error) {
    // Another process was faster.
    if ((error as NodeJS.ErrnoException).code === "EEXIST")
      throw busy(folder, { at: "working", number, remote: false });
    throw error;
  }
  return {
    number,
    end: () =>
      writeTextAtomic(file, JSON.stringify({ ...record, endedAt: new Date().toISOString() })),
  };
}

function busy(
  folder: string,
  { number, pid, host, remote }: AttemptState & { at: "working" },
): LabError {
  const who =
    pid === undefined ? "another process" : `process ${pid}${remote ? ` on ${host}` : ""}`;
  return new LabError("busy", `${who} is working on ${path.basename(folder)}`, {
    hint: remote
      ? `If that process is gone for good, remove ${attemptFile(folder, number)} and try again.`
      : "Wait until it has finished, or stop it first.",
  });
}

async function attemptNumbers(folder: string): Promise<number[]> {
  const names = await readdir(path.join(folder, "attempts")).catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  });
  return names.flatMap((name) =>
    /^[1-9]\d*\.json$/.test(name) ? [Number.parseInt(name, 10)] : [],
  );
}

async function readAttempt(file: string): Promise<AttemptRecord | undefined> {
  try {
    return attemptSchema.parse(JSON.parse(await readFile(file, "utf8")));
  } catch {
    return undefined;
  }
}

function attemptFile(folder: string, number: number): string {
  return path.join(folder, "attempts", `${number}.json`);
}
