/**
 * The dictionaries that can be asked for by name: those that come with the package's models, those in `PHILAB_HOME/dictionaries`, and
 * what finished trainings made, by the run's id. Names only, never paths.
 */
import { readdir, readFile, stat } from "node:fs/promises";
import path from "node:path";
import { LabError } from "../base/errors.ts";
import { PACKAGE_ROOT } from "../base/package.ts";
import { expandHome, type HomeFolders } from "../base/settings.ts";
import { didYouMean } from "../base/suggest.ts";
import { readDictionaryFacts, type DictionaryFacts } from "../features/sae-lens.ts";
import { listRuns } from "../jobs/runs.ts";
import { looksLikePath } from "./reference.ts";

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
        : "philab sae list, or GET /v1/lab/dictionaries, names them."),
  });
}

/**
 * The folder that a person means: a path, or the name of a dictionary.
 *
 * @throws LabError `not_found`
 */
export async function resolveDictionary(
  asked: string,
  { folders, cwd }: { folders: HomeFolders; cwd: string },
): Promise<string> {
  const own = path.resolve(cwd, expandHome(asked));
  if (looksLikePath(asked) || (await isThere(own))) return own;
  return (await findDictionary(asked, folders)).path;
}

/** Texts that lie beside a model's dictionaries, none of which was trained on them; undefined where there are none. */
export async function textsBeside(dictionary: string): Promise<string | undefined> {
  const parent = path.dirname(dictionary);
  const file = path.join(parent, "texts.jsonl");
  return path.basename(parent) === FOLDER && (await isThere(file)) ? file : undefined;
}

async function isThere(target: string): Promise<boolean> {
  return (await stat(target).catch(() => undefined)) !== undefined;
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
