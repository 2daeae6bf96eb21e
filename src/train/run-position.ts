/** Where a run stands: what its metrics say, and what a checkpoint must name so that it can go on. */
import type { TrainerState } from "./checkpoints.ts";
import type { BatchPosition, BatchStream } from "./data/batches.ts";
import type { StepMetrics } from "./metrics.ts";
import { StepWatch } from "./watch.ts";

export class RunPosition {
  readonly #totalSteps: number;
  readonly #train: BatchStream;
  readonly watch: StepWatch;
  /** Steps done. */
  step: number;
  savedStep: number;
  tokens: number;
  elapsedMs: number;
  best: { name: string; loss: number } | undefined;
  evaluated: { step: number; loss: number } | undefined;
  /** Of the data after the last step that was done. */
  position: BatchPosition;
  readonly #begun: { step: number; elapsedMs: number };

  constructor(totalSteps: number, train: BatchStream, from: TrainerState | undefined) {
    this.#totalSteps = totalSteps;
    this.#train = train;
    this.watch = new StepWatch(from);
    this.step = from?.global_step ?? 0;
    this.savedStep = this.step;
    this.tokens = from?.num_input_tokens_seen ?? 0;
    this.elapsedMs = from?.elapsed_ms ?? 0;
    if (from !== undefined && from.best_model_checkpoint !== null && from.best_metric !== null)
      this.best = { name: from.best_model_checkpoint, loss: from.best_metric };
    this.position = train.state();
    this.#begun = { step: this.step, elapsedMs: this.elapsedMs };
  }

  advance(tokens: number, elapsedMs: number): void {
    this.step++;
    this.tokens += tokens;
    this.elapsedMs += elapsedMs;
    this.position = this.#train.state();
  }

  /** What every line of metrics says. */
  moment(): StepMetrics {
    const perStepMs = (this.elapsedMs - this.#begun.elapsedMs) / (this.step - this.#begun.step);
    return {
      step: this.step,
      totalSteps: this.#totalSteps,
      epoch: this.#train.epoch,
      totalTokens: this.tokens,
      elapsedMs: this.elapsedMs,
      remainingMs: perStepMs * (this.#totalSteps - this.step),
    };
  }

  state(): TrainerState {
    return {
      global_step: this.step,
      max_steps: this.#totalSteps,
      epoch: this.#train.epoch,
      num_input_tokens_seen: this.tokens,
      best_metric: this.best?.loss ?? null,
      best_model_checkpoint: this.best?.name ?? null,
      elapsed_ms: this.elapsedMs,
      data_position: this.position,
      ...this.watch.state,
    };
  }
}
