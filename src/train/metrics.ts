/**
 * `metrics.jsonl`: a line for each step in the form of LLaMA-Factory's `trainer_log.jsonl`, which its boards draw, with
 * `grad_norm`, `tokens_per_second` and whatever else a recipe measures beside it.
 */
import { readFile } from "node:fs/promises";
import { z } from "zod";
import { writeTextAtomic } from "../base/atomic.ts";
import { LabError } from "../base/errors.ts";
import { toJson } from "../base/json.ts";
import { AppendFile } from "./append-file.ts";

/** What is known after a step. An evaluation after it may have a line of its own, with the same step. */
export interface StepMetrics {
  /** Steps done, from 1. */
  step: number;
  totalSteps: number;
  /** Times through the data. */
  epoch: number;
  /** In nats per learned token. */
  loss?: number | undefined;
  evalLoss?: number | undefined;
  learningRate?: number | undefined;
  /** Of all gradients together, before clipping. */
  gradNorm?: number | undefined;
  /** Of this step. */
  tokensPerSecond?: number | undefined;
  /** Trained on so far, padding not counted. */
  totalTokens?: number | undefined;
  /** Of work, over all attempts. */
  elapsedMs: number;
  remainingMs?: number | undefined;
  /** Others by the field's names: TRL's `rewards/margins`, `eval_rewards/margins`. */
  more?: Readonly<Record<string, number>> | undefined;
}

/** Python's `str(timedelta)`: `0:01:05`, `1 day, 2:03:04`. */
const CLOCK_TIME = /^(?:(\d+) days?, )?(\d+):(\d\d):(\d\d)$/;

/** Numbers that JSON cannot say are written as texts. */
const number = z.union([
  z.number(),
  z.enum(["NaN", "Infinity", "-Infinity"]).transform((text) => Number(text)),
]);

const lineSchema = z
  .object({
    current_steps: z.int().min(0),
    total_steps: z.int().min(0),
    epoch: z.number(),
    percentage: z.number(),
    elapsed_time: z.string().regex(CLOCK_TIME),
    remaining_time: z.string().regex(CLOCK_TIME).optional(),
    loss: number.optional(),
    eval_loss: number.optional(),
    lr: number.optional(),
    grad_norm: number.optional(),
    throughput: number.optional(),
    tokens_per_second: number.optional(),
    total_tokens: z.int().optional(),
  })
  .catchall(number);

/** The line of `metrics.jsonl`, without its end. */
export function metricsLine(metrics: StepMetrics): string {
  const { step, totalSteps, epoch, elapsedMs, remainingMs, totalTokens } = metrics;
  const throughput =
    totalTokens === undefined || elapsedMs === 0
      ? undefined
      : roundTo((totalTokens * 1000) / elapsedMs, 2);
  return toJson({
    current_steps: step,
    total_steps: totalSteps,
    loss: metrics.loss,
    eval_loss: metrics.evalLoss,
    lr: metrics.learningRate,
    epoch: roundTo(epoch, 4),
    percentage: totalSteps === 0 ? 100 : roundTo((step / totalSteps) * 100, 2),
    elapsed_time: clockTime(elapsedMs),
    remaining_time: remainingMs === undefined ? undefined : clockTime(remainingMs),
    throughput,
    total_tokens: totalTokens,
    grad_norm: metrics.gradNorm,
    tokens_per_second:
      metrics.tokensPerSecond === undefined ? undefined : roundTo(metrics.tokensPerSecond, 2),
    ...metrics.more,
  } satisfies Record<keyof z.input<typeof lineSchema>, unknown>);
}

/** What a line says; times only to the second. Throws `corrupt_file`. */
export function parseMetrics(line: string, place = "metrics.jsonl"): StepMetrics {
  let parsed;
  try {
    parsed = lineSchema.parse(JSON.parse(line));
  } catch (error) {
    throw new LabError("corrupt_file", `${place}: no line of metrics`, { cause: error });
  }
  const { current_steps, total_steps, epoch, elapsed_time, remaining_time, ...rest } = parsed;
  const { loss, eval_loss, lr, grad_norm, tokens_per_second, total_tokens, ...others } = rest;
  const { percentage: _, throughput: __, ...more } = others;
  return {
    step: current_steps,
    totalSteps: total_steps,
    epoch,
    elapsedMs: milliseconds(elapsed_time),
    ...(remaining_time === undefined ? {} : { remainingMs: milliseconds(remaining_time) }),
    ...(loss === undefined ? {} : { loss }),
    ...(eval_loss === undefined ? {} : { evalLoss: eval_loss }),
    ...(lr === undefined ? {} : { learningRate: lr }),
    ...(grad_norm === undefined ? {} : { gradNorm: grad_norm }),
    ...(tokens_per_second === undefined ? {} : { tokensPerSecond: tokens_per_second }),
    ...(total_tokens === undefined ? {} : { totalTokens: total_tokens }),
    ...(Object.keys(more).length === 0 ? {} : { more: more }),
  };
}

/** All lines of a file; none where it is not there. A last line that is still being written is left out. */
export async function readMetrics(file: string): Promise<StepMetrics[]> {
  const lines = await readLogLines(file);
  return lines.map((line, i) => parseMetrics(line, `${file}:${i + 1}`));
}

async function readLogLines(file: string): Promise<string[]> {
  const text = await readFile(file, "utf8").catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return "";
    throw LabError.from(error);
  });
  return text
    .slice(0, text.lastIndexOf("\n") + 1)
    .split("\n")
    .slice(0, -1);
}

export class MetricsLog {
  readonly #file: AppendFile;

  private constructor(file: AppendFile) {
    this.#file = file;
  }

  /**
   * Opens the log of a run that goes on after `afterStep`: lines of later steps, which an earlier attempt wrote after its
   * last checkpoint, are taken out, since these steps are done again.
   */
  static async open(file: string, { afterStep = 0 } = {}): Promise<MetricsLog> {
    const lines = await readLogLines(file);
    const kept = lines.filter(
      (line, i) => parseMetrics(line, `${file}:${i + 1}`).step <= afterStep,
    );
    await writeTextAtomic(file, kept.map((line) => `${line}\n`).join(""));
    return new MetricsLog(await AppendFile.open(file));
  }

  /** Queues a line. Throws where an earlier one could not be written. */
  append(metrics: StepMetrics): void {
    this.#file.append(`${metricsLine(metrics)}\n`);
  }

  flush(): Promise<void> {
    return this.#file.flush();
  }

  close(): Promise<void> {
    return this.#file.close();
  }
}

function clockTime(ms: number): string {
  const seconds = Math.floor(ms / 1000);
  const [days, hours] = [Math.floor(seconds / 86_400), Math.floor(seconds / 3600) % 24];
  const two = (value: number): string => String(value).padStart(2, "0");
  const clock = `${hours}:${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}`;
  return days === 0 ? clock : `${days} ${days === 1 ? "day" : "days"}, ${clock}`;
}

function milliseconds(clock: string): number {
  const [, days = 0, hours = 0, minutes = 0, seconds = 0] = CLOCK_TIME.exec(clock) ?? [];
  return (
    (((Number(days) * 24 + Number(hours)) * 60 + Number(minutes)) * 60 + Number(seconds)) * 1000
  );
}

function roundTo(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}
