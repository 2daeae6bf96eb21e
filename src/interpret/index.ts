/** `philab/interpret`: reading the inside of a model. */
export { Run, type RunOptions } from "../generate/run.ts";
export type { HookPoint } from "../model/hook-points.ts";
export type { Capture, CaptureOptions, Plan, Reduction } from "../model/hooks/capture.ts";
export { editsToJson, editSchema, type CallbackPlace, type Edit } from "../model/hooks/edits.ts";
export type { EditValue } from "../model/hooks/edit-value.ts";
export { metricSchema, type Metric } from "../model/hooks/metric.ts";
export { BLOCK_HOOKS, OUTER_HOOKS, resolveHook, type HookName } from "../model/hooks/names.ts";
export type { Captured } from "../model/hooks/read.ts";
export type { Positions } from "../model/hooks/rows.ts";
export type { Answer } from "./answers.ts";
export {
  attentionPatterns,
  detectHeads,
  detectionPattern,
  detectionScore,
  DETECTORS,
  firstTokenShare,
  meanDistance,
  patternEntropy,
  type AttentionPatterns,
  type Detector,
  type HeadPattern,
  type HeadScores,
} from "./attention.ts";
export {
  compositionScores,
  COMPOSITIONS,
  headCircuits,
  type Composition,
  type HeadCircuits,
} from "./circuits.ts";
export {
  compositionScore,
  factoredNorm,
  factoredSvd,
  type FactoredMatrix,
  type Svd,
} from "./linear/decompose.ts";
export {
  ATTRIBUTION_UNITS,
  logitAttribution,
  type AttributionOptions,
  type AttributionPart,
  type AttributionUnit,
  type LogitAttribution,
} from "./logit-attribution.ts";
export { decomposeResidual, residualHooks, residualParts, type ResidualPart } from "./residual.ts";
export { createTask, TASK_NAMES } from "./tasks/index.ts";
export { alignPrompts, type Task, type TaskPair } from "./tasks/task.ts";
export { openWeights, type WeightView } from "./weights.ts";
export { sweep, type Sweep, type SweepOptions } from "./sweep.ts";
