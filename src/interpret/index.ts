/** `philab/interpret`: reading the inside of a model. */
export { Run, type RunOptions } from "../generate/run.ts";
export type { HookPoint } from "../model/hook-points.ts";
export type { Capture, CaptureOptions, Plan, Reduction } from "../model/hooks/capture.ts";
export { BLOCK_HOOKS, OUTER_HOOKS, resolveHook, type HookName } from "../model/hooks/names.ts";
export type { Captured } from "../model/hooks/read.ts";
export type { Positions } from "../model/hooks/rows.ts";
