/** Kinds of runs about the inside of a model: dictionaries that are trained, read with and measured, and searches for circuits. */
import { z } from "zod";
import { findDictionary, textsBeside } from "../../catalog/dictionaries.ts";
import { readingArguments, READING_OPTIONS } from "../../features/reading-arguments.ts";
import { DICTIONARY_OPTIONS, dictionaryArguments } from "../../features/train-options.ts";
import {
  SEARCH_OPTIONS,
  searchArguments,
  taskName,
} from "../../interpret/circuit/search-options.ts";
import { createRun } from "../../jobs/job.ts";
import type { Run } from "../../jobs/runs.ts";
import { commandOf } from "./command-line.ts";
import {
  dataOf,
  dataSets,
  defined,
  defineRunKind,
  modelName,
  settingsOf,
  sharedFields,
  type RunKind,
  type RunMaker,
} from "./run-maker.ts";

const MAX_TOKENS = 100_000_000;

const sae = defineRunKind({
  kind: "sae",
  summary: "Train a sparse autoencoder or a transcoder of a place in a model",
  body: z.strictObject({
    ...DICTIONARY_OPTIONS,
    trainingTokens: DICTIONARY_OPTIONS.trainingTokens.unwrap().max(MAX_TOKENS).default(1_000_000),
    model: modelName,
    data: dataSets.data,
    rows: dataSets.rows,
    ...sharedFields,
  }),
  async create(asked, maker) {
    const { runName, rows: _rows, ...options } = asked;
    const found = await maker.inventory.find(asked.model);
    const { data } = await dataOf({ ...asked, evalData: [] }, maker);
    const command = { ...asked, model: found.model.id, data };
    return createRun(
      { kind: "sae", arguments: dictionaryArguments },
      {
        runsFolder: maker.folders.runs,
        name: runName ?? `${found.model.id}-${asked.hook}`.replace(/[^\w.-]+/g, "-"),
        arguments: defined({
          ...{ ...options, ...settingsOf(maker), data },
          ...{ model: found.model.reference.path, adapter: found.adapter?.path },
        }),
        provenance: { command: commandOf("sae train", this.body, command) },
      },
    );
  },
});

const readingBody = z.strictObject({
  ...READING_OPTIONS,
  dictionary: z.string().max(300).describe("a name that /v1/lab/dictionaries lists"),
  model: modelName,
  data: dataSets.data,
  rows: dataSets.rows,
  runName: sharedFields.runName,
});

async function createReading(
  kind: "sae-features" | "sae-eval",
  asked: z.output<typeof readingBody>,
  maker: RunMaker,
): Promise<Run> {
  const { runName, rows: _rows, ...options } = asked;
  const dictionary = await findDictionary(asked.dictionary, maker.folders);
  const { model } = await maker.inventory.find(asked.model);
  const beside = await textsBeside(dictionary.path);
  const isNamed = asked.data.length > 0 || asked.rows !== undefined || beside === undefined;
  const data = isNamed ? (await dataOf({ ...asked, evalData: [] }, maker)).data : [beside];
  const verb = kind === "sae-eval" ? "eval" : "features";
  const flags = { model: model.id, data: isNamed ? data[0] : undefined };
  const command = commandOf(`sae ${verb}`, readingBody, flags);
  return createRun(
    { kind, arguments: readingArguments },
    {
      runsFolder: maker.folders.runs,
      name: runName ?? asked.dictionary,
      arguments: defined({
        ...{ ...options, ...settingsOf(maker), data },
        ...{ dictionary: dictionary.path, model: model.reference.path },
      }),
      provenance: { command: [...command, asked.dictionary] },
    },
  );
}

const survey = defineRunKind({
  kind: "sae-features",
  summary: "Read texts with a dictionary: where each feature fires, what it promotes",
  body: readingBody,
  create: (asked, maker) => createReading("sae-features", asked, maker),
});

const measurement = defineRunKind({
  kind: "sae-eval",
  summary: "Measure a dictionary on texts, under SAELens' names",
  body: readingBody,
  create: (asked, maker) => createReading("sae-eval", asked, maker),
});

const text = z.string().min(1).max(10_000).optional();

const circuit = defineRunKind({
  kind: "circuit",
  summary: "Find the edges between parts of a model that carry an answer",
  body: z.strictObject({
    ...SEARCH_OPTIONS,
    task: taskName.optional().describe("draw pairs of this task"),
    limit: z.int().min(1).max(1000).default(8).describe("pairs of the task"),
    clean: text.describe("the prompt whose answer is right, in place of a task"),
    corrupted: text.describe("its counterpart, of equally many tokens"),
    answer: text.describe("the right token, with its space"),
    against: text.describe("the wrong one"),
    model: modelName,
    ...sharedFields,
  }),
  async create(asked, maker) {
    const { runName, ...options } = asked;
    const { model } = await maker.inventory.find(asked.model);
    const { clean, corrupted, ...named } = asked;
    const prompts = [clean, corrupted].filter((one) => one !== undefined);
    const command = commandOf("circuit discover", this.body, { ...named, model: model.id });
    return createRun(
      { kind: "circuit", arguments: searchArguments },
      {
        runsFolder: maker.folders.runs,
        name: runName ?? asked.task ?? "pair",
        arguments: defined({
          ...{ ...options, ...settingsOf(maker), model: model.reference.path },
          mode: "reference" as const,
        }),
        provenance: { command: [...command, ...prompts], seed: asked.seed },
      },
    );
  },
});

export const INSIDE_RUNS: readonly RunKind[] = [sae, survey, measurement, circuit];
