/** Runs on disk: `runs/<time>-<kind>-<name>/`, one folder each, readable while another process writes to it. */
import { mkdir, readdir, readFile } from "node:fs/promises";
import path from "node:path";
import { writeTextAtomic } from "../base/atomic.ts";
import { LabError } from "../base/errors.ts";
import { toJson } from "../base/json.ts";
import { checkObject } from "../base/schema.ts";
import { didYouMean, listOf } from "../base/suggest.ts";
import { lastAttempt } from "./attempts.ts";
import { tailEvents, type TailOptions } from "./events.ts";
import { KIND_PATTERN, runRecordSchema, type RunEvent, type RunRecord } from "./record.ts";

/** A run as it stands. */
export interface Run {
  folder: string;
  /**
   * `run.json`, with the state that holds: a run whose process died has the state `failed` and an error that says so,
   * though nobody was left to write it down.
   */
  record: RunRecord;
}

const RECORD_FILE = "run.json";

/** Reads one run. Throws `not_found` or `corrupt_file`. */
export async function readRun(folder: string): Promise<Run> {
  const record = await readRecord(folder);
  if (record.state !== "running") return { folder, record };
  const attempt = await lastAttempt(folder);
  if (attempt.at === "working") return { folder, record };
  // It may have ended properly between the two reads.
  const again = await readRecord(folder);
  if (again.state !== "running") return { folder, record: again };
  const who =
    attempt.at === "lost" && attempt.pid !== undefined ? `process ${attempt.pid}` : "its process";
  const error = new LabError("interrupted", `${who} ended before the run did`, {
    hint: "It was killed or crashed. The run can be resumed.",
  });
  return { folder, record: { ...again, state: "failed", error: error.toJSON() } };
}

export interface RunList {
  /** Newest first. */
  runs: Run[];
  /** Folders without a `run.json` that can be read, and why. */
  unreadable: { folder: string; error: LabError }[];
}

/** Every run under `runsFolder` (`PHILAB_HOME/runs`); none where that folder is not there yet. */
export async function listRuns(runsFolder: string): Promise<RunList> {
  const list: RunList = { runs: [], unreadable: [] };
  for (const id of (await runIds(runsFolder)).reverse()) {
    const folder = path.join(runsFolder, id);
    try {
      list.runs.push(await readRun(folder));
    } catch (error) {
      list.unreadable.push({ folder, error: LabError.from(error) });
    }
  }
  return list;
}

/**
 * The run that is meant by `name`: its id, or a part of the id that only one run has; without a name, the newest.
 * Throws `not_found` with the nearest ids, and `bad_input` where several runs fit.
 */
export async function findRun(runsFolder: string, name?: string): Promise<Run> {
  const ids = await runIds(runsFolder);
  if (ids.length === 0)
    throw new LabError("not_found", `there are no runs in ${runsFolder}`, {
      hint: "Long commands such as a training or an evaluation leave one each.",
    });
  const fitting =
    name === undefined
      ? ids.slice(-1)
      : ids.includes(name)
        ? [name]
        : ids.filter((id) => id.includes(name));
  const [id, ...others] = fitting;
  if (id === undefined)
    throw new LabError("not_found", `there is no run ${name} in ${runsFolder}`, {
      hint: didYouMean(name ?? "", ids) ?? "philab runs list shows them.",
    });
  if (others.length > 0)
    throw new LabError("bad_input", `${fitting.length} runs have ${name} in their names`, {
      hint: `Say which: ${listOf(fitting.slice(-5), "or")}${fitting.length > 5 ? ", …" : "."}`,
    });
  return readRun(path.join(runsFolder, id));
}

/** A run's events: those there are, and with `follow` those that come until the run ends. */
export function runEvents(
  folder: string,
  { follow = false, ...options }: Omit<TailOptions, "isLive"> & { follow?: boolean } = {},
): AsyncGenerator<RunEvent, void, undefined> {
  const isLive = async (): Promise<boolean> => {
    const { state } = (await readRun(folder)).record;
    return state === "queued" || state === "running";
  };
  return tailEvents(folder, follow ? { ...options, isLive } : options);
}

/** Makes an empty folder for a run and returns its path. Two runs of one second get different names. */
export async function createRunFolder(
  runsFolder: string,
  { kind, name, createdAt }: { kind: string; name: string; createdAt: Date },
): Promise<string> {
  if (!KIND_PATTERN.test(kind)) throw new LabError("internal", `internal: job kind ${kind}`);
  await mkdir(runsFolder, { recursive: true });
  const time = createdAt.toISOString().replace(/[-:]/g, "").replace("T", "-").slice(0, 15);
  const base = [time, kind, slug(name)].filter((part) => part !== "").join("-");
  for (let n = 1; ; n++) {
    const folder = path.join(runsFolder, n === 1 ? base : `${base}-${n}`);
    try {
      await mkdir(folder);
      return folder;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    }
  }
}

/** Writes `run.json` whole or not at all. */
export async function writeRecord(folder: string, record: RunRecord): Promise<void> {
  await writeTextAtomic(path.join(folder, RECORD_FILE), `${toJson(record, 2)}\n`);
}

/** `run.json` as it is written, whatever has become of its process. */
export async function readRecord(folder: string): Promise<RunRecord> {
  const file = path.join(folder, RECORD_FILE);
  let text: string;
  try {
    text = await readFile(file, "utf8");
  } catch (error) {
    throw LabError.from(error);
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new LabError("corrupt_file", `${file} is not JSON`, { cause: error });
  }
  return checkObject(runRecordSchema, value, { what: file, code: "corrupt_file" });
}

/** Names of the folders in `runsFolder`, oldest first. */
async function runIds(runsFolder: string): Promise<string[]> {
  try {
    const entries = await readdir(runsFolder, { withFileTypes: true });
    return entries
      .filter((entry) => entry.isDirectory() && !entry.name.startsWith("."))
      .map((entry) => entry.name)
      .sort();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw LabError.from(error);
  }
}

/** `microsoft/phi-2 (4 bit)` → `microsoft-phi-2-4-bit`: what is safe in a file name anywhere. */
function slug(name: string): string {
  return name
    .toLowerCase()
    .replace(/[^a-z0-9._]+/g, "-")
    .replace(/^[-.]+|[-.]+$/g, "")
    .slice(0, 60);
}
