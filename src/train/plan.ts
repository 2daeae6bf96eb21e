/** What a run will take, said before it begins; and refused where it cannot fit. */
import { statfs } from "node:fs/promises";
import { LabError } from "../base/errors.ts";
import {
  formatBytes,
  formatCount,
  formatDuration,
  formatNumber,
  formatPercent,
} from "../base/format.ts";
import type { LoopOptions } from "./options.ts";

/** f32: weight, gradient, and AdamW's two means. */
const BYTES_OF: Record<LoopOptions["optim"], number> = { adamw: 16, muon: 16, sgd: 8 };

export interface TrainingPlan {
  /** Of the model, and those of them that are trained. */
  parameters: number;
  trained: number;
  steps: number;
  epochs: number;
  /** Of a step at most; padding counted. */
  tokensPerStep: number;
  /** Of weights, gradients and optimiser; and of what a batch needs besides. */
  stateBytes: number;
  batchBytes: number;
  /** Of all checkpoints that are kept and of the result. */
  diskBytes: number;
  /** Of a step, as the first batch took it. */
  stepMs: number;
}

/** Bytes of memory that trained parameters take with their gradients and the optimiser's state. */
export function trainingBytes(trained: number, optim: LoopOptions["optim"]): number {
  return trained * BYTES_OF[optim];
}

/** Tokens of a sequence at most, the context's where none are asked for. Throws `too_long` beyond it. */
export function sequenceLength(
  maxSeqLength: number | undefined,
  { contextLength }: { contextLength: number },
  hint: string,
): number {
  if (maxSeqLength !== undefined && maxSeqLength > contextLength)
    throw new LabError(
      "too_long",
      `sequences of ${maxSeqLength} tokens; the context holds ${contextLength}`,
      { hint },
    );
  return maxSeqLength ?? contextLength;
}

/** Throws `out_of_memory` where `bytes` more are not to be had. */
export function assertMemory(bytes: number, what: string, hint: string): void {
  const available = process.availableMemory();
  if (bytes > available)
    throw new LabError(
      "out_of_memory",
      `${what} ${formatBytes(bytes)} of memory; ${formatBytes(available)} are free`,
      { hint },
    );
}

/** Throws `disk_full` where a folder's disk has no room for `bytes`. */
export async function assertDisk(
  folder: string,
  bytes: number,
  {
    what = "the run's checkpoints",
    hint = "Free some space, or keep fewer checkpoints (--save-total-limit 1).",
  }: { what?: string; hint?: string } = {},
): Promise<void> {
  const { bavail, bsize, blocks } = await statfs(folder);
  if (blocks > 0 && bytes > bavail * bsize)
    throw new LabError(
      "disk_full",
      `${what} need ${formatBytes(bytes)}; ${formatBytes(bavail * bsize)} are free in ${folder}`,
      { hint },
    );
}

/** The plan in lines of name and value. */
export function planFacts(plan: TrainingPlan): [string, string][] {
  const { parameters, trained, steps, epochs, tokensPerStep } = plan;
  const share = trained === parameters ? "all" : formatPercent(trained / parameters, 2);
  return [
    ["trained", `${formatCount(trained)} of ${formatCount(parameters)} parameters (${share})`],
    [
      "steps",
      `${formatCount(steps)} of ${formatCount(tokensPerStep)} tokens, ${formatNumber(epochs, 3)} times through the data`,
    ],
    [
      "memory",
      `${formatBytes(plan.stateBytes)} for weights, gradients and optimiser, ${formatBytes(plan.batchBytes)} for a batch`,
    ],
    ["disk", `${formatBytes(plan.diskBytes)} for checkpoints and result`],
    ["time", `about ${formatDuration(plan.stepMs * steps)}, ${formatDuration(plan.stepMs)} a step`],
  ];
}
