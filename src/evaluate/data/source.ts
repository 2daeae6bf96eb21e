/** Where a task's rows come from: a directory, or the hub by way of a cache. */
import { readdir, stat } from "node:fs/promises";
import path from "node:path";
import { LabError } from "../../base/errors.ts";
import { sha256File } from "../../base/hash.ts";
import type { Row, Task } from "../task.ts";
import { fetchFile, fetchSplit, type HubOptions } from "./hub.ts";
import { readRows, readText, ROW_FILE } from "./read-file.ts";

export interface DataOptions {
  /** A directory with data; without it, data is fetched from the hub. */
  folder?: string | undefined;
  /** `PHILAB_HOME/data`: what was fetched lies here. */
  dataFolder: string;
  hub?: HubOptions | undefined;
}

export interface SplitData {
  rows: Row[];
  files: { name: string; sha256: string }[];
}

/**
 * The rows of a split.
 *
 * @throws LabError `not_found` with the names that were looked for, `corrupt_file`
 */
export async function loadSplit(
  task: Task,
  split: string,
  options: DataOptions,
): Promise<SplitData> {
  const own = task.data.files?.[split];
  if (own !== undefined) return readSplit([own]);
  if (options.folder === undefined) {
    const { dataFolder, hub = {} } = options;
    const [form, file] = [task.data.forms?.[split], task.data.web?.[split]];
    if (form !== undefined && file !== undefined) {
      const kept = await fetchFile(task.data, file, { ...hub, dataFolder });
      return { rows: form.rows(await readText(kept)), files: await hashes([kept]) };
    }
    return readSplit(await fetchSplit(task.data, split, { ...hub, dataFolder }));
  }
  const { folder, config } = task.data;
  const roots = [path.join(options.folder, folder), options.folder];
  for (const root of roots) {
    const nested = config === undefined ? [] : [path.join(root, config)];
    for (const place of [...nested, root]) {
      const files = await filesOfSplit(place, split);
      if (files.length > 0) return readSplit(files);
    }
    const form = task.data.forms?.[split];
    if (form === undefined) continue;
    const files = form.file.split("+").map((name) => path.join(root, name));
    if (!(await allExist(files))) continue;
    const texts = await Promise.all(files.map(readText));
    return { rows: form.rows(texts.join("\n")), files: await hashes(files) };
  }
  const forms = task.data.forms?.[split]?.file;
  throw new LabError("not_found", `${task.name}: no ${split} data in ${options.folder}`, {
    hint: `Looked for ${folder}/${split}.jsonl (.json, .csv, .parquet)${forms === undefined ? "" : ` and ${folder}/${forms}`}. Without --data it is fetched from the hub: ${task.data.hub}.`,
  });
}

async function readSplit(files: readonly string[]): Promise<SplitData> {
  const rows: Row[] = [];
  for (const file of files) for (const row of await readRows(file)) rows.push(row);
  return { rows, files: await hashes(files) };
}

async function hashes(files: readonly string[]): Promise<SplitData["files"]> {
  return Promise.all(
    files.map(async (file) => ({ name: path.basename(file), sha256: await sha256File(file) })),
  );
}

/** `test.jsonl`, or in parts `test-00000-of-00002.parquet`. */
async function filesOfSplit(folder: string, split: string): Promise<string[]> {
  const names = await readdir(folder).catch(() => []);
  const own = names.filter((name) => {
    const base = name.replace(ROW_FILE, "");
    return (
      base !== name &&
      (base === split || (/^-\d+-of-\d+$/.test(base.slice(split.length)) && base.startsWith(split)))
    );
  });
  return own.sort().map((name) => path.join(folder, name));
}

async function allExist(files: readonly string[]): Promise<boolean> {
  const found = await Promise.all(files.map((file) => stat(file).catch(() => undefined)));
  return found.every((entry) => entry?.isFile() === true);
}
