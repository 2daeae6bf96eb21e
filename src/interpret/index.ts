/**
 * Looking inside a model, and changing what is there.
 *
 * @module philab/interpret
 */
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
  logitLens,
  translate,
  type LensCell,
  type LensOptions,
  type LogitLens,
  type Translator,
} from "./logit-lens.ts";
export { divergence, measure, METRICS, type Answers, type MetricName } from "./metric.ts";
export { fitProbe, type Probe, type ProbeOptions } from "./probe.ts";
export { fitTunedLens, type TunedLens, type TunedLensOptions } from "./tuned-lens.ts";
export {
  ablateHeads,
  ABLATIONS,
  otherHeads,
  type Ablation,
  type AblationOptions,
  type AblationResult,
  type AnsweredPrompt,
  type HeadAt,
} from "./ablation.ts";
export { CircuitModel } from "./circuit/circuit-model.ts";
export {
  acdc,
  auroc,
  checkCircuit,
  pruneCircuit,
  strongestEdges,
  type AcdcOptions,
  type CircuitCheck,
} from "./circuit/discover.ts";
export {
  EDGE_METHODS,
  edgeEffects,
  patchPath,
  type EdgeMethod,
  type EdgeOptions,
} from "./circuit/edges.ts";
export { edgesOf, listEdges, readCircuit, saveCircuit, type CircuitFile } from "./circuit/file.ts";
export {
  circuitGraph,
  connected,
  edgeName,
  edgeOf,
  nodesOf,
  type CircuitGraph,
} from "./circuit/graph.ts";
export { patchSweep, type PatchedValue, type PatchOptions, type PatchSweep } from "./patching.ts";
export { HEAD_SITES, PATCH_SITES, type PatchedAxes, type PatchSite } from "./sites.ts";
export {
  attributionPatch,
  rankCorrelation,
  type AttributionPatch,
  type AttributionPatchOptions,
} from "./attribution-patching.ts";
export {
  doseResponse,
  steer,
  steeringVector,
  type Dose,
  type DoseResponse,
  type SteeringVector,
  type VectorOptions,
} from "./steering.ts";
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
  measured,
  type FactoredMatrix,
  type MeasuredMatrix,
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
export {
  readFinding,
  recordFinding,
  replayFinding,
  saveFinding,
  type CheckResult,
  type Finding,
  type FindingRequest,
  type FindingRun,
  type Replay,
} from "./finding.ts";
export { saveRun, type SaveRunOptions } from "./save-run.ts";
