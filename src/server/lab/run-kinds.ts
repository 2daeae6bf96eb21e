/**
 * Kinds of runs that a request can begin. What each takes is what its command takes, but for paths: models and data sets are
 * named, and what comes out lies in the run's folder.
 */
import { z } from "zod";
import { LabError } from "../../base/errors.ts";
import { SETTING_SCHEMAS } from "../../base/settings.ts";
import { synthArguments } from "../../data/synth/job.ts";
import { evaluationArguments, TRUNCATIONS } from "../../evaluate/job.ts";
import { selectTasks } from "../../evaluate/select.ts";
import { createRun } from "../../jobs/job.ts";
import type { Run } from "../../jobs/runs.ts";
import { FINETUNE_OPTIONS, finetuneArguments } from "../../train/finetune-options.ts";
import { PRETRAIN_OPTIONS, pretrainArguments } from "../../train/pretrain.ts";
import { madeBy, type Inventory } from "../fleet/inventory.ts";
import { CATALOG_RUN_KINDS } from "./catalog-runs.ts";
import { commandOf } from "./command-line.ts";
import { DATA_RUNS } from "./data-runs.ts";
import { dataName } from "./data-sets.ts";
import { INSIDE_RUNS } from "./inside-runs.ts";
import {
  dataOf,
  dataSets,
  defined,
  defineRunKind,
  modelName,
  pathOf,
  pathsOf,
  settingsOf,
  sharedFields,
  type RunKind,
} from "./run-maker.ts";
import { SAFETY_RUNS } from "./safety-runs.ts";

const { modelConfig: _modelConfig, ...pretrainOptions } = PRETRAIN_OPTIONS;

const train = defineRunKind({
  kind: "train",
  summary: "Train a model, from random weights or from another model",
  body: z.strictObject({
    ...pretrainOptions,
    initFrom: modelName.describe("a model to go on from, or to grow"),
    tokenizer: modelName.describe("the model whose tokenizer is used; initFrom's by default"),
    ...dataSets,
    ...sharedFields,
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
  body: z.strictObject({ ...FINETUNE_OPTIONS, model: modelName, ...dataSets, ...sharedFields }),
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
    model: modelName,
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
    runName: sharedFields.runName,
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
          ...pathsOf({ model: found, adapter }),
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
    seed: sharedFields.seed,
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

export const RUN_KINDS: readonly RunKind[] = [
  ...[train, finetune, evaluation, synth],
  ...INSIDE_RUNS,
  ...CATALOG_RUN_KINDS,
  ...SAFETY_RUNS,
  ...DATA_RUNS,
];

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
