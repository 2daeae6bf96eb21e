/**
 * Training: recipes, the loop under them, and what a recipe of one's own is made of.
 *
 * @module philab/train
 */
export { BatchLoss, type Means } from "./batch-loss.ts";
export { BatchStream, type Batch, type BatchOptions } from "./data/batches.ts";
export { type Dataset } from "./data/dataset.ts";
export { loadData, type DataReport, type LoadOptions } from "./data/load.ts";
export { finetune, finetuneJob, type FinetuneOptions } from "./finetune.ts";
export { Job } from "../jobs/job.ts";
export { grow, grownConfig } from "./grow.ts";
export { TrainingLoop, type LoopContext, type Training } from "./loop.ts";
export { readMetrics, type StepMetrics } from "./metrics.ts";
export { nextToken } from "./next-token.ts";
export type { BatchShape, GraphWeights, Objective, RecordedLoss, Trainee } from "./objective.ts";
export { preference, type PreferenceOptions } from "./preference.ts";
export { pretrain, pretrainJob, type PretrainOptions } from "./pretrain.ts";
export { startTraining, type RunObserver } from "./run.ts";
export { TrainableAdapter } from "./trainable-adapter.ts";
export { TrainableModel } from "./trainable-model.ts";
