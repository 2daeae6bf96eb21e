/**
 * The models and adapters that requests may name: those given at the start, those in the store, and what finished runs made,
 * by the run's id. Names only, never paths.
 */
import { existsSync } from "node:fs";
import { readdir } from "node:fs/promises";
import path from "node:path";
import { LabError } from "../../base/errors.ts";
import { homeFolders } from "../../base/settings.ts";
import { didYouMean } from "../../base/suggest.ts";
import {
  listStoredModels,
  NO_ADAPTER,
  resolveModelReference,
  type ModelReference,
} from "../../catalog/reference.ts";
import { openCheckpoint } from "../../checkpoint/index.ts";
import type { RunRecord } from "../../jobs/record.ts";
import { listRuns } from "../../jobs/runs.ts";
import { modelConfigFromCheckpoint } from "../../model/model-config.ts";
import { kvCacheBytes } from "../../model/kv-cache.ts";
import type { AdapterFiles } from "../worker/model-host.ts";

export interface ServedModel {
  /** What requests call it. */
  id: string;
  reference: ModelReference;
}

/** What the files of a model say, without loading it. */
export interface ModelFacts {
  parameters: number;
  contextLength: number;
  layers: number;
  heads: number;
  /** Types of its matrices, the most frequent first. */
  types: string[];
  weightBytes: number;
  /** Keys and values of one token in f16. */
  cacheBytesPerToken: number;
}

export class Inventory {
  readonly #given: readonly ServedModel[];
  readonly #home: string;
  readonly #facts = new Map<string, Promise<ModelFacts>>();

  /** @param given - models of the command line; the first is the one that requests without a name mean */
  constructor({ given, home }: { given: readonly ServedModel[]; home: string }) {
    this.#given = given;
    this.#home = home;
  }

  /** Every model that can be asked for. */
  async list(): Promise<ServedModel[]> {
    const trained = (await this.#trained()).filter(({ isAdapter }) => !isAdapter);
    return [
      ...(await this.#kept()),
      ...trained.map(({ id, path }) => ({ id, reference: trainedModel(id, path) })),
    ];
  }

  /** Models that no run made: they are looked at first, since there are few. */
  async #kept(): Promise<ServedModel[]> {
    const folders = homeFolders(this.#home);
    const models = [...this.#given];
    for (const id of await listStoredModels(folders.models)) {
      if (models.some((model) => model.id === id)) continue;
      // What is damaged or gone meanwhile is not offered.
      const reference = await resolveModelReference(id, { folders, cwd: this.#home }).catch(
        () => undefined,
      );
      if (reference !== undefined) models.push({ id, reference });
    }
    return models;
  }

  async adapters(): Promise<AdapterFiles[]> {
    const folder = homeFolders(this.#home).adapters;
    const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
    const trained = (await this.#trained()).filter(({ isAdapter }) => isAdapter);
    return [
      ...entries
        .filter((entry) => !entry.isFile() && /^[a-z0-9][a-z0-9._-]*$/.test(entry.name))
        .map(({ name }) => ({ name, path: path.join(folder, name) })),
      ...trained.map(({ id, path }) => ({ name: id, path })),
    ];
  }

  /** What finished runs made and what is still there. */
  async #trained(): Promise<{ id: string; path: string; isAdapter: boolean }[]> {
    const { runs } = await listRuns(homeFolders(this.#home).runs);
    return runs.flatMap(({ record }) => {
      const made = madeBy(record);
      return made !== undefined && existsSync(made.path) ? [{ id: record.id, ...made }] : [];
    });
  }

  /** The model, and the adapter after a `+`, that a request names; after `+none` not even the one that the model brings along. Throws `not_found` with the nearest names. */
  async find(
    name: string | undefined,
  ): Promise<{ model: ServedModel; adapter: AdapterFiles | null }> {
    const first = this.#given[0];
    if (first !== undefined && (name === undefined || name === "" || name === "default"))
      return { model: first, adapter: givenAdapter(first) };
    let models = await this.#kept();
    const base = name?.slice(0, name.lastIndexOf("+"));
    if (!models.some(({ id }) => id === name || id === base)) models = await this.list();
    const exact = models.find(({ id }) => id === name);
    if (exact !== undefined) return { model: exact, adapter: givenAdapter(exact) };
    const model = models.find(({ id }) => id === base);
    const adapterName = name?.slice((base?.length ?? 0) + 1);
    if (model !== undefined && adapterName === NO_ADAPTER) return { model, adapter: null };
    const adapter = model && (await this.adapters()).find((one) => one.name === adapterName);
    if (model !== undefined && adapter !== undefined) return { model, adapter };
    const names = models.map(({ id }) => id);
    throw new LabError("not_found", `there is no model ${JSON.stringify(name)}`, {
      hint: didYouMean(name ?? "", names) ?? `There are ${names.join(", ")}.`,
    });
  }

  /** Whether a model was named at the start. */
  isGiven(id: string): boolean {
    return this.#given.some((model) => model.id === id);
  }

  /** What was read of a model that is gone: another may take its place. */
  forget({ reference }: ServedModel): void {
    this.#facts.delete(reference.path);
  }

  /** Read from the headers of its files, once. */
  facts({ reference }: ServedModel): Promise<ModelFacts> {
    const known = this.#facts.get(reference.path);
    if (known !== undefined) return known;
    const reading = readFacts(reference.path);
    reading.catch(() => this.#facts.delete(reference.path));
    this.#facts.set(reference.path, reading);
    return reading;
  }
}

/** Where a finished run has put a model or an adapter. */
export function madeBy({
  kind,
  state,
  arguments: args,
  result,
}: RunRecord): { path: string; isAdapter: boolean } | undefined {
  if (state !== "done" || (kind !== "train" && kind !== "finetune")) return undefined;
  const made = (result as { path?: unknown } | null)?.path;
  if (typeof made !== "string") return undefined;
  return { path: made, isAdapter: kind === "finetune" && args["full"] !== true };
}

function trainedModel(name: string, folder: string): ModelReference {
  return { source: "path", kind: "directory", path: folder, name };
}

function givenAdapter({ reference }: ServedModel): AdapterFiles | null {
  return reference.adapter ?? null;
}

async function readFacts(file: string): Promise<ModelFacts> {
  const checkpoint = await openCheckpoint(file);
  const config = modelConfigFromCheckpoint(checkpoint);
  const entries = [...checkpoint.tensors.values()];
  const counts = new Map<string, number>();
  for (const { dtype, shape } of entries)
    if (shape.length > 1) counts.set(dtype, (counts.get(dtype) ?? 0) + 1);
  return {
    parameters: entries.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0),
    contextLength: config.contextLength,
    layers: config.layers,
    heads: config.heads,
    types: [...counts].sort((a, b) => b[1] - a[1]).map(([type]) => type),
    weightBytes: entries.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
    cacheBytesPerToken: kvCacheBytes(config, "f16", 1),
  };
}
