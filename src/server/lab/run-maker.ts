/** What kinds of runs have in common: what they are made with, and the parts of requests that name models and data. */
import { z } from "zod";
import { LabError } from "../../base/errors.ts";
import { SETTING_SCHEMAS, type HomeFolders } from "../../base/settings.ts";
import { NO_ADAPTER } from "../../catalog/reference.ts";
import type { Run } from "../../jobs/runs.ts";
import type { FleetOptions } from "../fleet/fleet.ts";
import type { Inventory } from "../fleet/inventory.ts";
import { dataName, type DataSets } from "./data-sets.ts";

/** What a run is made with. */
export interface RunMaker {
  inventory: Inventory;
  dataSets: DataSets;
  folders: HomeFolders;
  /** Where models are fetched from: of the server, never of a request. */
  hubUrl?: string;
  /** Of the server, for all models. */
  settings: Pick<FleetOptions, "device" | "threads">;
}

export interface RunKind<S extends z.ZodObject = z.ZodObject> {
  kind: string;
  /** One line, for the OpenAPI document. */
  summary: string;
  body: S;
  /** A run that is ready to begin. */
  create(asked: z.output<S>, maker: RunMaker): Promise<Run>;
}

export function defineRunKind<S extends z.ZodObject>(kind: RunKind<S>): RunKind {
  return kind;
}

const MAX_ROWS = 10_000;

export const sharedFields = {
  runName: z.string().max(60).optional().describe("part of the run's name"),
  seed: SETTING_SCHEMAS.seed.default(0),
};
export const modelName = z.string().max(300).optional().describe("a name that /v1/models lists");
const names = z.array(dataName).max(64);
export const dataSets = {
  data: names.default([]).describe("data sets of GET /v1/lab/data, by name"),
  evalData: names.default([]).describe("data sets to evaluate on"),
  rows: z
    .array(z.record(z.string(), z.json()))
    .min(1)
    .max(MAX_ROWS)
    .optional()
    .describe("rows of data that come with the request"),
};

export async function pathOf(
  name: string | undefined,
  { inventory }: RunMaker,
): Promise<string | undefined> {
  return name === undefined ? undefined : (await inventory.find(name)).model.reference.path;
}

/** A model and its adapter by where they lie; `none` where the one that the model brings along is left out. */
export function pathsOf({ model: found, adapter }: Awaited<ReturnType<Inventory["find"]>>): {
  model: string;
  adapter: string | undefined;
} {
  const { path, adapter: own } = found.reference;
  return { model: path, adapter: adapter?.path ?? (own === undefined ? undefined : NO_ADAPTER) };
}

/** Paths of the data sets that are named, and of the rows that came along. */
export async function dataOf(
  asked: {
    data: readonly string[];
    evalData: readonly string[];
    rows?: Parameters<DataSets["keep"]>[0] | undefined;
  },
  { dataSets }: RunMaker,
): Promise<{ data: string[]; evalData: string[] }> {
  const find = (each: readonly string[]): Promise<string[]> =>
    Promise.all(each.map((name) => dataSets.find(name)));
  const found = await find(asked.data);
  if (asked.rows !== undefined) found.push(await dataSets.keep(asked.rows));
  if (found.length === 0)
    throw new LabError("bad_input", "there is no data to learn from", {
      hint: "Name data sets (data), or send rows.",
    });
  return { data: found, evalData: await find(asked.evalData) };
}

export function settingsOf({ settings: { device, threads } }: RunMaker): {
  device: FleetOptions["device"];
  threads?: number;
} {
  return { device, ...(threads === undefined ? {} : { threads }) };
}

/** Without what is undefined: a job's arguments have no such keys. */
export function defined<T extends object>(values: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  const entries = Object.entries(values).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries) as { [K in keyof T]: Exclude<T[K], undefined> };
}
