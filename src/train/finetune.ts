/**
 * The recipes `sft` (learn answers) and `dpo` (prefer one answer to another): an adapter beside weights that stay as they
 * are, of any type, or all weights.
 */
import path from "node:path";
import type { z } from "zod";
import { LabError } from "../base/errors.ts";
import { threadsFor } from "../base/threads.ts";
import { openCheckpoint, type Checkpoint } from "../checkpoint/index.ts";
import { Backend } from "../engine/backend.ts";
import { fingerprintOf } from "../generate/fingerprint.ts";
import { openTokenizer } from "../generate/open-tokenizer.ts";
import { defineJob, Job, type JobDefinition } from "../jobs/job.ts";
import { loraConfig, type LoraConfig } from "../model/adapter-config.ts";
import { companionFiles } from "../model/companions.ts";
import { configFromCheckpoint } from "../model/config.ts";
import { countParameters } from "../model/parameters.ts";
import type { PhiWeights } from "../model/phi.ts";
import type { Tokenizer } from "../tokenizer/index.ts";
import type { DatasetKind } from "./data/dataset.ts";
import { formatPreview } from "./data/preview.ts";
import {
  finetuneArguments,
  learningRateOf,
  type FinetuneArguments,
  type FinetuneRecipe,
} from "./finetune-options.ts";
import { nextToken } from "./next-token.ts";
import type { Objective, Trainee } from "./objective.ts";
import { assertMemory, sequenceLength, trainingBytes } from "./plan.ts";
import { preference } from "./preference.ts";
import { prepareData, type PreparedData } from "./prepare-data.ts";
import {
  runTraining,
  startTraining,
  withAbsolutePaths,
  type Prepared,
  type RunObserver,
  type Trained,
} from "./run.ts";
import { TrainableAdapter } from "./trainable-adapter.ts";
import { TrainableModel } from "./trainable-model.ts";

/** Fine-tuning as a job: watched, cancelled and resumed from its folder. */
export function finetuneJob(
  observer: RunObserver = {},
): JobDefinition<typeof finetuneArguments, Trained> {
  return defineJob({
    kind: "finetune",
    arguments: finetuneArguments,
    run: (context) => {
      const { arguments: args, signal } = context;
      return runTraining(
        context,
        (folder) => prepare(args, { folder, signal, observer }),
        observer,
      );
    },
  });
}

export type FinetuneOptions = z.input<typeof finetuneArguments>;

/**
 * Fine-tunes from a program: a run in `runsFolder`, as `philab finetune` makes one. Paths may be relative to the working
 * directory; the model is a directory or a file.
 *
 * @returns where the adapter or model lies (`path`), and what `philab finetune --json` says
 * @throws LabError what the run is stopped by
 */
export async function finetune(
  options: Omit<FinetuneOptions, "seed" | "device"> & Partial<FinetuneOptions>,
  {
    runsFolder,
    name = "finetune",
    signal,
    ...observer
  }: { runsFolder: string; name?: string; signal?: AbortSignal } & RunObserver,
): Promise<Trained> {
  const files = ["model", "data", "evalData", "out"] as const;
  const job = await Job.create(finetuneJob(observer), {
    runsFolder: path.resolve(runsFolder),
    name,
    arguments: { seed: 0, device: "auto", ...withAbsolutePaths(options, files) },
    provenance: {},
  });
  return startTraining(job, signal === undefined ? {} : { signal });
}

/** Everything up to the first step. The caller disposes of it. */
async function prepare(
  options: FinetuneArguments,
  { folder, signal, observer }: { folder: string; signal: AbortSignal; observer: RunObserver },
): Promise<Prepared> {
  const { model, full, device } = options;
  const checkpoint = await openCheckpoint(model);
  const config = configFromCheckpoint(checkpoint);
  const tokenizer = await requireTokenizer(checkpoint);
  const parameters = countParameters(config);
  const hint = "Name a --max-seq-length within it.";
  const length = sequenceLength(options.maxSeqLength, config, hint);
  const onProgress = observer.onReading;
  const { form, columns, format, maskHistory, trainOnPrompts } = options;
  const data = await prepareData(options, {
    ...{ form, columns, format, maskHistory, trainOnPrompts },
    ...{ tokenizer, length, folder, signal },
    ...(onProgress === undefined ? {} : { onProgress }),
  });
  const recipe = recipeOf(options, data.kind);
  if (full)
    assertMemory(
      trainingBytes(parameters, options.optim) + (recipe === "dpo" ? 4 * parameters : 0),
      "all weights, their gradients and the optimiser need",
      "Train an adapter: leave --full out.",
    );
  const backend = new Backend({ device, threads: options.threads ?? threadsFor(4 * parameters) });
  const owned: Disposable[] = [backend];
  const dispose = (): void => {
    for (const resource of owned.reverse()) resource[Symbol.dispose]();
  };
  try {
    const opened = await openTrainee(options, { recipe, backend, owned });
    const { trainee } = opened;
    const learningRate = learningRateOf(options, recipe);
    const sequences = options.perDeviceTrainBatchSize * (recipe === "dpo" ? 2 : 1);
    return {
      training: {
        trainee,
        objective: objectiveOf(options, recipe, { ...opened, data }),
        tokenizer,
        files: full ? await companionFiles(checkpoint, config) : {},
        ...data,
      },
      out: options.out,
      options: { ...options, learningRate },
      facts: [
        ["recipe", `${describeRecipe(options, recipe)}, learning rate ${learningRate}`],
        ["data", data.facts.join("\n")],
        ...data.previews.map((tokens) => ["learns", formatPreview(tokens)] as const),
      ],
      warnings: data.warnings,
      parameters,
      stateBytes: opened.frozenBytes + trainingBytes(countTrained(trainee), options.optim),
      tokensPerBatch: sequences * length,
      provenance: {
        seed: options.seed,
        device: backend.device.kind,
        threads: backend.threads,
        engine: backend.engineVersion,
        mode: "reference",
        models: [{ reference: model, sha256: fingerprintOf(config, checkpoint) }],
        data: [{ name: options.data.join(", "), sha256: data.fingerprint }],
      },
      [Symbol.dispose]: dispose,
    };
  } catch (error) {
    dispose();
    throw error;
  }
}

async function requireTokenizer(checkpoint: Checkpoint): Promise<Tokenizer> {
  const tokenizer = await openTokenizer(checkpoint);
  if (tokenizer !== undefined) return tokenizer;
  throw new LabError("unsupported", `${checkpoint.path} has no tokenizer to read texts with`, {
    hint: "Put the model's tokenizer.json beside its weights.",
  });
}

function recipeOf({ recipe }: FinetuneArguments, kind: DatasetKind): FinetuneRecipe {
  const fits: FinetuneRecipe = kind === "pairs" ? "dpo" : "sft";
  if (recipe === undefined || recipe === fits) return fits;
  throw new LabError(
    "bad_input",
    recipe === "dpo"
      ? "the recipe dpo needs pairs of answers, and the data has none"
      : "the recipe sft learns answers, and the data has pairs of them",
    { hint: `Pairs have the columns prompt, chosen, rejected. Or use --recipe ${fits}.` },
  );
}

function loraOf(options: FinetuneArguments): LoraConfig {
  const { loraRank: rank, loraAlpha: alpha = 2 * rank, loraDropout: dropout, loraTarget } = options;
  const isAll = loraTarget.length === 1 && loraTarget[0] === "all-linear";
  const targetModules = isAll ? "all-linear" : loraTarget;
  const { useRslora, model } = options;
  return loraConfig({ rank, alpha, dropout, targetModules, useRslora, baseModel: model });
}

interface OpenedTrainee {
  trainee: Trainee;
  /** What preferences are measured against: the model as it was. */
  reference: PhiWeights | undefined;
  /** Bytes of weights that stay as they are and lie in memory of their own. */
  frozenBytes: number;
}

async function openTrainee(
  options: FinetuneArguments,
  { recipe, backend, owned }: { recipe: FinetuneRecipe; backend: Backend; owned: Disposable[] },
): Promise<OpenedTrainee> {
  const { model, seed } = options;
  if (!options.full) {
    const trainee = await TrainableAdapter.create(model, backend, { lora: loraOf(options), seed });
    owned.push(trainee);
    return { trainee, reference: trainee.base, frozenBytes: trainee.frozenBytes };
  }
  const trainee = await TrainableModel.load(model, backend);
  owned.push(trainee);
  if (recipe !== "dpo") return { trainee, reference: undefined, frozenBytes: 0 };
  const frozen = await TrainableModel.load(model, backend);
  owned.push(frozen);
  return { trainee, reference: frozen.weights, frozenBytes: 4 * countTrained(frozen) };
}

function objectiveOf(
  options: FinetuneArguments,
  recipe: FinetuneRecipe,
  { trainee, reference, data }: OpenedTrainee & { data: PreparedData },
): Objective {
  const forward = { perRow: data.train.masksRows, recompute: options.gradientCheckpointing };
  return recipe === "sft" || reference === undefined
    ? nextToken(trainee, forward)
    : preference(trainee, reference, { ...options, ...forward });
}

function countTrained({ parameters }: Trainee): number {
  return [...parameters.values()].reduce((sum, { size }) => sum + size, 0);
}

function describeRecipe(options: FinetuneArguments, recipe: FinetuneRecipe): string {
  const { full, loraRank, loraTarget, beta, lossType } = options;
  const what =
    recipe === "sft" ? "sft: learn answers" : `dpo: prefer answers (${lossType}, β ${beta})`;
  const how = full ? "all weights" : `LoRA of rank ${loraRank} on ${loraTarget.join(", ")}`;
  return `${what}; ${how}`;
}
