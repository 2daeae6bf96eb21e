/**
 * Data sets from the hub, as the Parquet files that it makes of every data set (revision `refs/convert/parquet`): fetched once,
 * checked against the hub's hash, kept under `PHILAB_HOME/data`.
 */
import { createHash } from "node:crypto";
import { mkdir, readdir, readFile } from "node:fs/promises";
import path from "node:path";
import { writeFileAtomic } from "../../base/atomic.ts";
import { LabError } from "../../base/errors.ts";
import { sha256 } from "../../base/hash.ts";
import type { TaskData } from "../task.ts";

export interface HubOptions {
  /** Another address than the hub's own, and than GitHub's for files. */
  hubUrl?: string | undefined;
  filesUrl?: string | undefined;
  accessToken?: string | undefined;
  signal?: AbortSignal | undefined;
  /** Called before something is fetched: what, and under which licence. */
  onFetch?: ((what: { dataset: string; licence: string; sizeBytes: number }) => void) | undefined;
}

const REVISION = "refs/convert/parquet";
const COMPLETE = "complete";

/** Paths of the split's files, fetched where they are not there yet. Throws `not_found`, `corrupt_file`. */
export async function fetchSplit(
  { hub: dataset, config = "default", licence }: TaskData,
  split: string,
  { dataFolder, hubUrl, accessToken, signal, onFetch }: HubOptions & { dataFolder: string },
): Promise<string[]> {
  const folder = path.join(dataFolder, dataset.replace("/", "--"), config, split);
  const kept = await readdir(folder).catch((): string[] => []);
  const parquet = (names: readonly string[]): string[] =>
    names
      .filter((name) => name.endsWith(".parquet"))
      .sort()
      .map((name) => path.join(folder, name));
  if (kept.includes(COMPLETE)) return parquet(kept);

  const { downloadFile, listFiles } = await import("@huggingface/hub");
  const shared = {
    repo: { type: "dataset", name: dataset } as const,
    revision: REVISION,
    ...(hubUrl === undefined ? {} : { hubUrl }),
    ...(accessToken === undefined ? {} : { accessToken }),
    fetch: (...[input, init]: Parameters<typeof fetch>) =>
      fetch(input, { ...init, ...(signal === undefined ? {} : { signal }) }),
  };
  try {
    const entries = [];
    for await (const entry of listFiles({ ...shared, path: `${config}/${split}` }))
      if (entry.type === "file" && entry.path.endsWith(".parquet")) entries.push(entry);
    if (entries.length === 0) throw missing(dataset, `${config}/${split}`);
    const sizeBytes = entries.reduce((sum, { size }) => sum + size, 0);
    onFetch?.({ dataset, licence, sizeBytes });
    await mkdir(folder, { recursive: true });
    const names: string[] = [];
    for (const { path: remote, lfs } of entries) {
      const blob = await downloadFile({ ...shared, path: remote, xet: false });
      if (blob === null) throw missing(dataset, remote);
      const bytes = new Uint8Array(await blob.arrayBuffer());
      const found = createHash("sha256").update(bytes).digest("hex");
      if (lfs !== undefined && lfs.oid !== found)
        throw new LabError("corrupt_file", `${remote} of ${dataset} arrived damaged`, {
          hint: "Try again; nothing of it was kept.",
        });
      const name = path.basename(remote);
      await writeFileAtomic(path.join(folder, name), (sink) => sink.write(bytes));
      names.push(name);
    }
    await writeFileAtomic(path.join(folder, COMPLETE), async () => undefined);
    return parquet(names);
  } catch (error) {
    if (error instanceof LabError) throw error;
    signal?.throwIfAborted();
    const { message } = error as Error;
    if (/404|not found/i.test(message)) throw missing(dataset, `${config}/${split}`);
    throw new LabError("not_found", `${dataset} cannot be fetched from the hub: ${message}`, {
      hint: "Without a network, give a directory with --data.",
      cause: error,
    });
  }
}

const FILES_URL = "https://raw.githubusercontent.com";

/** A file of a repository at one commit, fetched where it is not there yet. Throws `not_found`, `corrupt_file`. */
export async function fetchFile(
  { hub: dataset, licence }: TaskData,
  { path: remote, sha256: expected }: { path: string; sha256: string },
  { dataFolder, filesUrl = FILES_URL, signal, onFetch }: HubOptions & { dataFolder: string },
): Promise<string> {
  const kept = path.join(dataFolder, dataset.replace("/", "--"), "files", path.basename(remote));
  const known = await readFile(kept).catch(() => undefined);
  if (known !== undefined && sha256(known) === expected) return kept;
  let bytes: Uint8Array;
  try {
    const response = await fetch(`${filesUrl}/${remote}`, signal === undefined ? {} : { signal });
    if (!response.ok) throw new Error(`status ${response.status}`);
    bytes = new Uint8Array(await response.arrayBuffer());
  } catch (error) {
    signal?.throwIfAborted();
    throw new LabError("not_found", `${remote} cannot be fetched: ${(error as Error).message}`, {
      hint: "Without a network, give a directory with --data.",
      cause: error,
    });
  }
  if (sha256(bytes) !== expected)
    throw new LabError("corrupt_file", `${remote} is not the file that it was`, {
      hint: "Try again; nothing of it was kept.",
    });
  onFetch?.({ dataset, licence, sizeBytes: bytes.length });
  await mkdir(path.dirname(kept), { recursive: true });
  await writeFileAtomic(kept, (sink) => sink.write(bytes));
  return kept;
}

function missing(dataset: string, what: string): LabError {
  return new LabError("not_found", `the hub has no ${what} of ${dataset}`, {
    hint: "Give a directory with the data: --data.",
  });
}
