/**
 * The dictionaries that can be asked for by name: those that come with the package's models, those in `PHILAB_HOME/dictionaries`, and
 * what finished trainings made, by the run's id. Names only, never paths.
 */
import { readdir, readFile } from "node:fs/promises";
import path from "node:path";
import { LabError } from "../base/errors.ts";
import { PACKAGE_ROOT } from "../base/package.ts";
import type { HomeFolders } from "../base/settings.ts";
import { didYouMean } from "../base/suggest.ts";
import { readDictionaryFacts, type DictionaryFacts } from "../features/sae-lens.ts";
import { listRuns } from "../jobs/runs.ts";

export interface KnownDictionary extends DictionaryFacts {
  name: string;
  path: string;
  source: "bundled" | "home" | "run";
  /** What it was found to be worth, under SAELens' names: of its training, or as its files say. */
  metrics: Readonly<Record<string, number>> | null;
  /** What features stand for, where somebody said so. */
  labels: Readonly<Record<string, string>>;
}

const PACKAGE_MODELS = path.join(PACKAGE_ROOT, "models");
/** Beside a model's own files. */
const FOLDER = "dictionaries";
const NAME = /^[a-z0-9][a-z0-9._-]{0,199}$/i;

/** Every dictionary whose files can be read; the first of a name is the one that is meant. */
export async function listDictionaries(folders: HomeFolders): Promise<KnownDictionary[]> {
  const places: Pick<KnownDictionary, "name" | "path" | "source">[] = [];
  for (const { record } of (await listRuns(folders.runs)).runs) {
    const made = (record.result as { path?: unknown } | null | undefined)?.path;
    if (record.kind === "sae" && record.state === "done" && typeof made === "string")
      places.push({ name: record.id, path: made, source: "run" });
  }
  for (const model of await foldersIn(PACKAGE_MODELS))
    for (const name of await foldersIn(path.join(PACKAGE_MODELS, model, FOLDER)))
      places.push({
        name: `${model}.${name}`,
        path: path.join(PACKAGE_MODELS, model, FOLDER, name),
        source: "bundled",
      });
  for (const name of await foldersIn(folders.dictionaries))
    places.push({ name, path: path.join(folders.dictionaries, name), source: "home" });
  const found: KnownDictionary[] = [];
  for (const place of places) {
    if (found.some(({ name }) => name === place.name)) continue;
    // What is damaged or gone meanwhile is not offered.
    const facts = await readDictionaryFacts(place.path).catch(() => undefined);
    if (facts === undefined) continue;
    const metrics = (await readJson(path.join(place.path, "metrics.json"))) ?? null;
    const labels = (await readJson(path.join(place.path, "labels.json"))) ?? {};
    found.push({
      ...{ ...place, ...facts },
      metrics: metrics as KnownDictionary["metrics"],
      labels: labels as KnownDictionary["labels"],
    });
  }
  return found;
}

/** Throws `not_found` with the nearest names. */
export async function findDictionary(name: string, folders: HomeFolders): Promise<KnownDictionary> {
  const known = await listDictionaries(folders);
  const found = known.find((one) => one.name === name);
  if (found !== undefined) return found;
  const names = known.map((one) => one.name);
  throw new LabError("not_found", `there is no dictionary ${JSON.stringify(name)}`, {
    hint:
      didYouMean(name, names) ??
      (names.length === 0
        ? "Train one: philab sae train --data texts.jsonl --hook blocks.2.hook_resid_post"
        : "GET /v1/lab/dictionaries lists them."),
  });
}

async function foldersIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  return entries
    .filter((entry) => !entry.isFile() && NAME.test(entry.name))
    .map(({ name }) => name)
    .sort();
}

async function readJson(file: string): Promise<unknown> {
  const text = await readFile(file, "utf8").catch(() => undefined);
  return text === undefined ? undefined : (JSON.parse(text) as unknown);
}
