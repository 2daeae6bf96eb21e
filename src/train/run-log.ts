/** What a training run tells: to its folder (`metrics.jsonl`, events, TensorBoard), and to whoever watches. */
import path from "node:path";
import type { JobContext } from "../jobs/job.ts";
import type { RunEvent } from "../jobs/record.ts";
import { MetricsLog, type StepMetrics } from "./metrics.ts";
import { EventWriter, scalarsOf } from "./tensorboard.ts";
import type { Outlier } from "./watch.ts";

/** Who watches in the same process. */
export interface TrainingObserver {
  onMetrics?: (metrics: StepMetrics) => void;
  /** Something that a person should see at once. */
  onNote?: (note: string) => void;
}

/** Metrics of single steps go among the events this often at most; `metrics.jsonl` has them all. */
const EVENT_INTERVAL_MS = 1_000;

type Context = Pick<JobContext<unknown>, "folder" | "progress" | "emit">;

export class RunLog {
  readonly #context: Context;
  readonly #observer: TrainingObserver;
  readonly #metrics: MetricsLog;
  readonly #events: EventWriter | undefined;
  #emittedMs = -Infinity;

  private constructor(
    context: Context,
    observer: TrainingObserver,
    files: { metrics: MetricsLog; events: EventWriter | undefined },
  ) {
    this.#context = context;
    this.#observer = observer;
    this.#metrics = files.metrics;
    this.#events = files.events;
  }

  static async open(
    context: Context,
    observer: TrainingObserver,
    { afterStep, tensorboard }: { afterStep: number; tensorboard: boolean },
  ): Promise<RunLog> {
    const { folder } = context;
    const metrics = await MetricsLog.open(path.join(folder, "metrics.jsonl"), { afterStep });
    const events = tensorboard
      ? await EventWriter.open(path.join(folder, "tensorboard"), { afterStep })
      : undefined;
    return new RunLog(context, observer, { metrics, events });
  }

  step(metrics: StepMetrics): void {
    this.#context.progress(metrics.step, { total: metrics.totalSteps });
    const nowMs = performance.now();
    const isDue = nowMs - this.#emittedMs >= EVENT_INTERVAL_MS;
    if (isDue) this.#emittedMs = nowMs;
    this.#write(metrics, isDue);
  }

  evaluation(metrics: StepMetrics): void {
    this.#write(metrics, true);
  }

  samples(samples: NonNullable<RunEvent["samples"]>): void {
    this.#context.emit({ samples });
  }

  outlier({ z, message }: Outlier): void {
    this.#context.emit({ message, metrics: { outlier_z: z } });
    this.#observer.onNote?.(message);
  }

  #write(metrics: StepMetrics, emits: boolean): void {
    this.#metrics.append(metrics);
    const scalars = scalarsOf(metrics);
    this.#events?.scalars(metrics.step, scalars);
    if (emits) this.#context.emit({ metrics: scalars });
    this.#observer.onMetrics?.(metrics);
  }

  async flush(): Promise<void> {
    await this.#metrics.flush();
    await this.#events?.flush();
  }

  async close(): Promise<void> {
    await this.#metrics.close();
    await this.#events?.close();
  }
}
