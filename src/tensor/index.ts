/**
 * Tensors on ggml: computations, gradients, optimisers.
 *
 * @module philab/tensor
 */
export { Backend, listDevices, type BackendOptions, type DeviceInfo } from "../engine/backend.ts";
export { DTYPES, isQuantized, type DType } from "../engine/dtypes.ts";
export { Executor } from "../engine/executor.ts";
export { liveBytes } from "../engine/memory.ts";
export { Graph, type GraphOptions } from "./graph.ts";
export { type Shape } from "./shape.ts";
export { TensorStore, type TensorSpec } from "./store.ts";
export { Tensor, type Provenance } from "./tensor.ts";
export * as ops from "./ops/index.ts";
export { checkpointed } from "./autograd/checkpointed.ts";
export {
  checkGradients,
  type CheckedInput,
  type CheckOptions,
  type CheckReport,
} from "./autograd/check-gradients.ts";
export { gradients, pullBack } from "./autograd/gradients.ts";
export { Optimizer, type ParameterGroup, type StepOptions, type StepReport } from "./optimizers.ts";
export {
  SCHEDULES,
  scheduleFactor,
  type ScheduleName,
  type ScheduleSettings,
} from "./schedules.ts";
export { countedTargets, IGNORED } from "./targets.ts";
export type {
  AdamWSettings,
  MuonSettings,
  OptimizerSettings,
  SgdSettings,
} from "./update-rules.ts";
