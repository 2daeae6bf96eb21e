/** The recipe `pretrain`: all weights of a Phi learn to predict text, from random ones, a model's, or a smaller model's. */
import path from "node:path";
import { z } from "zod";
import { LabError } from "../base/errors.ts";
import { SETTING_SCHEMAS } from "../base/settings.ts";
import { threadsFor } from "../base/threads.ts";
import { openCheckpoint } from "../checkpoint/index.ts";
import { Backend } from "../engine/backend.ts";
import { fingerprintOf } from "../generate/fingerprint.ts";
import { openTokenizer } from "../generate/open-tokenizer.ts";
import { defineJob, Job, type JobDefinition } from "../jobs/job.ts";
import { companionFiles, companionFilesIn } from "../model/companions.ts";
import { configFromCheckpoint, type PhiConfig } from "../model/config.ts";
import { countParameters } from "../model/parameters.ts";
import { loadTokenizer, type Tokenizer } from "../tokenizer/index.ts";
import { DATA_OPTIONS } from "./data-options.ts";
import { grow, grownConfig } from "./grow.ts";
import { nextToken } from "./next-token.ts";
import { LOOP_OPTIONS } from "./options.ts";
import { assertMemory, sequenceLength, trainingBytes } from "./plan.ts";
import { prepareData } from "./prepare-data.ts";
import {
  runTraining,
  startTraining,
  withAbsolutePaths,
  type Prepared,
  type RunObserver,
  type Trained,
} from "./run.ts";
import { resolveShape, SHAPE_OPTIONS } from "./shape.ts";
import { TrainableModel } from "./trainable-model.ts";

const file = z.string().min(1);

/** What a person chooses; paths are absolute by the time that the job has them. */
export const PRETRAIN_OPTIONS = {
  ...DATA_OPTIONS,
  packing: DATA_OPTIONS.packing.default("wrapped"),
  initFrom: file
    .optional()
    .describe("a model to go on from, or to grow into a larger size")
    .meta({ placeholder: "model" }),
  tokenizer: file
    .optional()
    .describe("a directory or a model with the tokenizer; that of --init-from where left out")
    .meta({ placeholder: "model" }),
  ...SHAPE_OPTIONS,
  ...LOOP_OPTIONS,
  learningRate: LOOP_OPTIONS.learningRate.default(1e-3),
} as const;

export const pretrainArguments = z.strictObject({
  ...PRETRAIN_OPTIONS,
  /** Where the model goes; `model` in the run's folder where left out. */
  out: file.optional(),
  seed: SETTING_SCHEMAS.seed,
  device: SETTING_SCHEMAS.device,
  threads: SETTING_SCHEMAS.threads.optional(),
});
export type PretrainArguments = z.output<typeof pretrainArguments>;
/** Training of a whole model as a job: watched, cancelled and resumed from its folder. */
export function pretrainJob(
  observer: RunObserver = {},
): JobDefinition<typeof pretrainArguments, Trained> {
  return defineJob({
    kind: "train",
    arguments: pretrainArguments,
    run: (context) =>
      runTraining(
        context,
        (folder) =>
          preparePretrain(context.arguments, { folder, signal: context.signal, observer }),
        observer,
      ),
  });
}

export type PretrainOptions = z.input<typeof pretrainArguments>;

/**
 * Trains from a program: a run in `runsFolder`, as `philab train` makes one. Paths may be relative to the working directory.
 *
 * @returns where the trained model lies (`path`), and what `philab train --json` says
 * @throws LabError what the run is stopped by
 */
export async function pretrain(
  options: Omit<PretrainOptions, "seed" | "device"> & Partial<PretrainOptions>,
  {
    runsFolder,
    name = "pretrain",
    signal,
    ...observer
  }: { runsFolder: string; name?: string; signal?: AbortSignal } & RunObserver,
): Promise<Trained> {
  const files = ["data", "evalData", "initFrom", "tokenizer", "modelConfig", "out"] as const;
  const job = await Job.create(pretrainJob(observer), {
    runsFolder: path.resolve(runsFolder),
    name,
    arguments: { seed: 0, device: "auto", ...withAbsolutePaths(options, files) },
    provenance: {},
  });
  return startTraining(job, signal === undefined ? {} : { signal });
}

/** Everything up to the first step. The caller disposes of it. */
async function preparePretrain(
  options: PretrainArguments,
  { folder, signal, observer }: { folder: string; signal: AbortSignal; observer: RunObserver },
): Promise<Prepared> {
  const { initFrom, seed } = options;
  const source = initFrom === undefined ? undefined : await openCheckpoint(initFrom);
  const from = source && configFromCheckpoint(source);
  const { tokenizer, files } = await findTokenizer(options);
  const shape = await resolveShape(options, { from, tokenizer });
  const grows = from !== undefined && !sameSize(from, shape);
  const config = grows ? grownConfig(from, shape) : shape;
  const hint = "Name a --max-seq-length within it, or a larger --max-position-embeddings.";
  const length = sequenceLength(options.maxSeqLength, config, hint);
  const parameters = countParameters(config);
  const stateBytes = trainingBytes(parameters, options.optim);
  assertMemory(
    stateBytes + (grows ? 4 * countParameters(from) : 0),
    "the weights, their gradients and the optimiser need",
    "Train a smaller model, or with --optim sgd.",
  );
  const onProgress = observer.onReading;
  const data = await prepareData(options, {
    ...{ tokenizer, length, folder, signal },
    ...(onProgress === undefined ? {} : { onProgress }),
  });
  const { device } = options;
  const backend = new Backend({ device, threads: options.threads ?? threadsFor(4 * parameters) });
  let trainee: TrainableModel | undefined;
  try {
    trainee = await startingWeights(config, backend, { initFrom, grows, seed });
    const { perDeviceTrainBatchSize: sequences, gradientCheckpointing: recompute } = options;
    const objective = nextToken(trainee, { perRow: data.train.masksRows, recompute });
    const owned = trainee;
    return {
      training: { trainee, objective, tokenizer, files, ...data },
      options,
      out: options.out,
      facts: [
        ["model", `${describeShape(config)}, ${describeStart(initFrom, grows)}`],
        ["data", data.facts.join("\n")],
      ],
      warnings: data.warnings,
      parameters,
      stateBytes,
      tokensPerBatch: sequences * length,
      provenance: {
        seed,
        device: backend.device.kind,
        threads: backend.threads,
        engine: backend.engineVersion,
        mode: "reference",
        models:
          initFrom === undefined || source === undefined || from === undefined
            ? []
            : [{ reference: initFrom, sha256: fingerprintOf(from, source) }],
        data: [{ name: options.data.join(", "), sha256: data.fingerprint }],
      },
      [Symbol.dispose]() {
        owned[Symbol.dispose]();
        backend[Symbol.dispose]();
      },
    };
  } catch (error) {
    trainee?.[Symbol.dispose]();
    backend[Symbol.dispose]();
    throw error;
  }
}

async function startingWeights(
  config: PhiConfig,
  backend: Backend,
  { initFrom, grows, seed }: { initFrom: string | undefined; grows: boolean; seed: number },
): Promise<TrainableModel> {
  if (initFrom === undefined) return TrainableModel.initialize(config, backend, { seed });
  if (!grows) return TrainableModel.load(initFrom, backend);
  using small = await TrainableModel.load(initFrom, backend);
  return grow(small, config, { seed });
}

function sameSize(a: PhiConfig, b: PhiConfig): boolean {
  return (["layers", "heads", "headSize", "width", "mlpWidth", "vocabSize"] as const).every(
    (size) => a[size] === b[size],
  );
}

/** The tokenizer that is named, or the one of the model that is begun from, and the files that hold it. */
async function findTokenizer({
  tokenizer: named,
  initFrom,
}: Pick<PretrainArguments, "tokenizer" | "initFrom">): Promise<{
  tokenizer: Tokenizer;
  files: Record<string, string>;
}> {
  const source = named ?? initFrom;
  if (source === undefined)
    throw new LabError("bad_input", "a new model needs a tokenizer", {
      hint: "Make one (philab tokenizer train DATA --out DIR) and name it: --tokenizer DIR. A model's name does, too.",
    });
  if (!/\.gguf$/i.test(source))
    return { tokenizer: await loadTokenizer(source), files: await companionFilesIn(source) };
  const checkpoint = await openCheckpoint(source);
  const tokenizer = await openTokenizer(checkpoint);
  if (tokenizer === undefined)
    throw new LabError("unsupported", `${source} has no tokenizer`, {
      hint: "Name a model or a directory that has one: --tokenizer.",
    });
  return { tokenizer, files: await companionFiles(checkpoint, configFromCheckpoint(checkpoint)) };
}

function describeShape({
  layers,
  width,
  heads,
  mlpWidth,
  vocabSize,
  contextLength,
}: PhiConfig): string {
  return `${layers} layers of width ${width}, ${heads} heads, MLP ${mlpWidth || "none"}, vocabulary ${vocabSize}, context ${contextLength}`;
}

function describeStart(initFrom: string | undefined, grows: boolean): string {
  if (initFrom === undefined) return "from random weights";
  return grows ? `grown from ${initFrom} (lossless expansion)` : `from ${initFrom}`;
}
