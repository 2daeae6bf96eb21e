/**
 * Kinds of runs that a request can begin. What each takes is what its command takes, but for paths: models and data sets are
 * named, and what comes out lies in the run's folder.
 */
import { z } from "zod";
import { LabError } from "../../base/errors.ts";
import { SETTING_SCHEMAS, type HomeFolders } from "../../base/settings.ts";
import { synthArguments } from "../../data/synth/job.ts";
import { evaluationArguments, TRUNCATIONS } from "../../evaluate/job.ts";
import { selectTasks } from "../../evaluate/select.ts";
import { createRun } from "../../jobs/job.ts";
import type { Run } from "../../jobs/runs.ts";
import { FINETUNE_OPTIONS, finetuneArguments } from "../../train/finetune-options.ts";
import { PRETRAIN_OPTIONS, pretrainArguments } from "../../train/pretrain.ts";
import type { FleetOptions } from "../fleet/fleet.ts";
import { madeBy, type Inventory } from "../fleet/inventory.ts";
import { commandOf } from "./command-line.ts";
import { dataName, type DataSets } from "./data-sets.ts";

/** What a run is made with. */
export interface RunMaker {
  inventory: Inventory;
  dataSets: DataSets;
  folders: HomeFolders;
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

function defineRunKind<S extends z.ZodObject>(kind: RunKind<S>): RunKind {
  return kind;
}

const MAX_ROWS = 10_000;

const shared = {
  runName: z.string().max(60).optional().describe("part of the run's name"),
  seed: SETTING_SCHEMAS.seed.default(0),
};
const model = z.string().max(300).optional().describe("a name that /v1/models lists");
const names = z.array(dataName).max(64);
const data = {
  data: names.default([]).describe("data sets of GET /v1/lab/data, by name"),
  evalData: names.default([]).describe("data sets to evaluate on"),
  rows: z
    .array(z.record(z.string(), z.json()))
    .min(1)
    .max(MAX_ROWS)
    .optional()
    .describe("rows of data that come with the request"),
};

const { modelConfig: _modelConfig, ...pretrainOptions } = PRETRAIN_OPTIONS;

const train = defineRunKind({
  kind: "train",
  summary: "Train a model, from random weights or from another model",
  body: z.strictObject({
    ...pretrainOptions,
    initFrom: model.describe("a model to go on from, or to grow"),
    tokenizer: model.describe("the model whose tokenizer is used; initFrom's by default"),
    ...data,
    ...shared,
  }),
  async create(asked, maker) {
    const { runName, rows: _rows, initFrom, tokenizer, ...options } = asked;
    const paths = { initFrom: await pathOf(initFrom, maker), ...(await dataOf(asked, maker)) };
    return createRun(
      { kind: "train", arguments: pretrainArguments },
      {
        runsFolder: maker.folders.runs,
        name: runName ?? asked.size ?? initFrom ?? "new",
        arguments: defined({
          ...{ ...options, ...paths, ...settingsOf(maker) },
          tokenizer: await pathOf(tokenizer, maker),
        }),
        provenance: { command: commandOf("train", this.body, { ...asked, data: paths.data }) },
      },
    );
  },
});

const finetune = defineRunKind({
  kind: "finetune",
  summary: "Train an adapter beside a model's weights, or all of them, on answers or preferences",
  body: z.strictObject({ ...FINETUNE_OPTIONS, model, ...data, ...shared }),
  async create(asked, maker) {
    const { runName, rows: _rows, ...options } = asked;
    const { model: found, adapter } = await maker.inventory.find(asked.model);
    if (adapter !== null)
      throw new LabError("unsupported", `${asked.model} has an adapter: ${adapter.name}`, {
        hint: "Fine-tune the model without it, or merge it first: philab adapter merge.",
      });
    const paths = { model: found.reference.path, ...(await dataOf(asked, maker)) };
    const command = { ...asked, model: found.id, data: paths.data };
    return createRun(
      { kind: "finetune", arguments: finetuneArguments },
      {
        runsFolder: maker.folders.runs,
        name: runName ?? found.id,
        arguments: defined({ ...options, ...paths, ...settingsOf(maker) }),
        provenance: { command: commandOf("finetune", this.body, command) },
      },
    );
  },
});

const evaluation = defineRunKind({
  kind: "eval",
  summary: "Run benchmarks on a model",
  body: z.strictObject({
    model,
    tasks: z
      .array(z.string().regex(/^\w{1,100}$/, "expected a task's name"))
      .min(1)
      .max(64),
    ...evaluationArguments.pick({
      numFewshot: true,
      maxTokens: true,
      samples: true,
      passAt: true,
      temperature: true,
      topP: true,
      limit: true,
    }).shape,
    seed: evaluationArguments.shape.seed,
    mode: SETTING_SCHEMAS.mode.default("reference"),
    truncation: z.enum(TRUNCATIONS).default("none"),
    data: dataName
      .optional()
      .describe("a folder of GET /v1/lab/data with the tasks' files; the hub's where left out"),
    runName: shared.runName,
  }),
  async create(asked, maker) {
    const { runName, data: named, ...options } = asked;
    await selectTasks(asked.tasks, { shots: asked.numFewshot });
    const { model: found, adapter } = await maker.inventory.find(asked.model);
    const folder = named === undefined ? undefined : await maker.dataSets.find(named);
    const command = { ...asked, model: found.id, data: folder };
    return createRun(
      { kind: "eval", arguments: evaluationArguments },
      {
        runsFolder: maker.folders.runs,
        name: runName ?? asked.tasks.slice(0, 2).join("-"),
        arguments: defined({
          ...options,
          ...settingsOf(maker),
          model: found.reference.path,
          adapter: adapter?.path,
          data: folder,
          dataFolder: maker.folders.data,
          sandbox: "pyodide" as const,
        }),
        provenance: { command: commandOf("eval run", this.body, command), mode: asked.mode },
      },
    );
  },
});

const synth = defineRunKind({
  kind: "synth",
  summary: "Make a data set from philab's grammars",
  body: z.strictObject({
    name: dataName.describe("of the data set"),
    characters: z.int().min(1000).max(100_000_000).default(200_000),
    shares: synthArguments.shape.shares,
    seed: shared.seed,
  }),
  async create(asked, maker) {
    const { name, ...options } = asked;
    const out = await maker.dataSets.vacant(name);
    return createRun(
      { kind: "synth", arguments: synthArguments },
      {
        runsFolder: maker.folders.runs,
        name,
        arguments: { ...options, out },
        provenance: { command: commandOf("data synth", this.body, { ...options, out }) },
      },
    );
  },
});

export const RUN_KINDS: readonly RunKind[] = [train, finetune, evaluation, synth];

async function pathOf(
  name: string | undefined,
  { inventory }: RunMaker,
): Promise<string | undefined> {
  return name === undefined ? undefined : (await inventory.find(name)).model.reference.path;
}

/** Paths of the data sets that are named, and of the rows that came along. */
async function dataOf(
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

function settingsOf({ settings: { device, threads } }: RunMaker): {
  device: FleetOptions["device"];
  threads?: number;
} {
  return { device, ...(threads === undefined ? {} : { threads }) };
}

/** Without what is undefined: a job's arguments have no such keys. */
function defined<T extends object>(values: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  const entries = Object.entries(values).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries) as { [K in keyof T]: Exclude<T[K], undefined> };
}

/** The name under which what a finished run made answers; undefined where it made no model. */
export async function answersAs(
  { record }: Run,
  inventory: Inventory,
): Promise<string | undefined> {
  const made = madeBy(record);
  if (made === undefined) return undefined;
  if (!made.isAdapter) return record.id;
  const { model } = record.arguments;
  const base = (await inventory.list()).find(({ reference }) => reference.path === model);
  return base === undefined ? undefined : `${base.id}+${record.id}`;
}
