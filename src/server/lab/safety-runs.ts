/** Kinds of runs about safety that a request can begin; what each takes is what its command takes, with names for paths. */
import path from "node:path";
import { z } from "zod";
import { LabError } from "../../base/errors.ts";
import { SETTING_SCHEMAS } from "../../base/settings.ts";
import { selectTasks } from "../../evaluate/select.ts";
import { createRun } from "../../jobs/job.ts";
import { behaviourArguments } from "../../safety/behaviour/job.ts";
import { locateQuestions } from "../../safety/behaviour/questions.ts";
import { reportArguments } from "../../safety/report/job.ts";
import { writeStandIns } from "../../safety/stand-in-files.ts";
import { STAND_INS } from "../../safety/stand-ins.ts";
import { toxigenArguments } from "../../safety/toxigen/job.ts";
import { readSentences } from "../../safety/toxigen/sentences.ts";
import { commandOf } from "./command-line.ts";
import { dataFile } from "./data-sets.ts";
import {
  defined,
  defineRunKind,
  modelName,
  pathsOf,
  settingsOf,
  sharedFields,
  type RunKind,
  type RunMaker,
} from "./run-maker.ts";

const common = {
  model: modelName,
  data: dataFile
    .default(STAND_INS)
    .describe(
      `a file or folder of GET /v1/lab/data; ${STAND_INS}: harmless ones that philab brings`,
    ),
  mode: SETTING_SCHEMAS.mode.default("reference"),
  ...sharedFields,
};
const limit = z.int().min(1).optional().describe("sentences, prompts or questions at most");

const toxigen = defineRunKind({
  kind: "safety-toxigen",
  summary: "The ToxiGen score of a model on groups of people, from sentences of a file",
  body: z.strictObject({ ...common, limit }),
  async create(asked, maker) {
    const { runName, ...options } = asked;
    const found = await maker.inventory.find(asked.model);
    const data = await dataOf(asked.data, maker);
    await readSentences(data);
    return createRun(
      { kind: this.kind, arguments: toxigenArguments },
      {
        runsFolder: maker.folders.runs,
        name: runName ?? asked.model ?? found.model.id,
        arguments: defined({ ...options, ...settingsOf(maker), ...pathsOf(found), data }),
        provenance: provenanceOf("safety toxigen", this.body, {
          ...{ ...asked, model: spoken(found), data },
        }),
      },
    );
  },
});

const behave = defineRunKind({
  kind: "safety-behave",
  summary: "What a model refuses and what it should not, or whether it follows stereotypes",
  body: z.strictObject({
    ...common,
    limit,
    maxTokens: behaviourArguments.shape.maxTokens.default(64).describe("tokens of an answer"),
    begins: behaviourArguments.shape.begins
      .default([" I", " Sorry"])
      .describe("how refusals begin: their log odds at the first token are given")
      .meta({ verbatim: true }),
    judge: modelName.describe("a model that says of each answer whether it does what was asked"),
  }),
  async create(asked, maker) {
    const { runName, seed: _seed, judge, ...options } = asked;
    const found = await maker.inventory.find(asked.model);
    const file = await locateQuestions(await dataOf(asked.data, maker));
    const judging = judge === undefined ? undefined : await referenceOf(judge, maker);
    const command = { ...asked, model: spoken(found), data: file, judge: judging };
    return createRun(
      { kind: this.kind, arguments: behaviourArguments },
      {
        runsFolder: maker.folders.runs,
        name: runName ?? asked.model ?? found.model.id,
        arguments: defined({
          ...{ ...options, ...settingsOf(maker), ...pathsOf(found), data: file, judge: judging },
        }),
        provenance: provenanceOf("safety behave", this.body, command),
      },
    );
  },
});

const report = defineRunKind({
  kind: "safety-report",
  summary: "One panel before and after a change, beside a control, and what moved inside",
  body: z.strictObject({
    ...common,
    against: modelName.describe("the edited model"),
    direction: dataFile
      .optional()
      .describe("instead: a control vector of GET /v1/lab/safety that is taken out of the weights"),
    tasks: z
      .array(z.string().regex(/^\w{1,100}$/, "expected a task's name"))
      .max(64)
      .default([]),
    limit: limit.default(200),
    maxTokens: reportArguments.shape.maxTokens.default(32).describe("tokens of an answer"),
  }),
  async create(asked, maker) {
    const { runName, ...options } = asked;
    if (asked.against !== undefined && asked.direction !== undefined)
      throw new LabError("bad_input", "an edited model and a direction are two reports", {
        hint: "Give against or direction.",
      });
    if (asked.tasks.length > 0) await selectTasks(asked.tasks);
    const found = await maker.inventory.find(asked.model);
    const data = await dataOf(asked.data, maker);
    const { against, direction } = {
      against: asked.against === undefined ? undefined : await referenceOf(asked.against, maker),
      direction:
        asked.direction === undefined ? undefined : await maker.dataSets.findFile(asked.direction),
    };
    const paths = { data, against, direction };
    const command = { ...asked, ...paths, model: spoken(found) };
    return createRun(
      { kind: this.kind, arguments: reportArguments },
      {
        runsFolder: maker.folders.runs,
        name: runName ?? asked.model ?? found.model.id,
        arguments: defined({
          ...{ ...options, ...settingsOf(maker), ...pathsOf(found), ...paths },
          dataFolder: maker.folders.data,
        }),
        provenance: provenanceOf("safety report", this.body, command),
      },
    );
  },
});

export const SAFETY_RUNS: readonly RunKind[] = [toxigen, behave, report];

/** Where a data set lies; the stand-ins are written when somebody asks for them. */
async function dataOf(name: string, { dataSets, folders }: RunMaker): Promise<string> {
  if (name.split("/")[0] === STAND_INS) await writeStandIns(path.join(folders.data, STAND_INS));
  return dataSets.findFile(name);
}

/** A model as a command names it: by its path, with its adapter's. */
async function referenceOf(name: string, { inventory }: RunMaker): Promise<string> {
  const { model: base, adapter } = pathsOf(await inventory.find(name));
  return adapter === undefined ? base : `${base}+${adapter}`;
}

/** A model as a person would name it on the command line. */
function spoken(found: Awaited<ReturnType<RunMaker["inventory"]["find"]>>): string {
  const { id, reference } = found.model;
  const { adapter } = pathsOf(found);
  const base = reference.source === "path" ? reference.path : id;
  return adapter === undefined ? base : `${base}+${adapter}`;
}

function provenanceOf(
  name: string,
  body: z.ZodObject,
  { runName: _name, ...asked }: Readonly<Record<string, unknown>>,
) {
  const { mode } = asked as { mode: z.output<typeof SETTING_SCHEMAS.mode> };
  return { command: commandOf(name, body, asked), mode };
}
