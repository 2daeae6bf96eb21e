/**
 * The training loop: steps, evaluations, samples and checkpoints, in an order that a later process repeats to the bit. What
 * is trained on what is the recipe's (`objective.ts`).
 */
import path from "node:path";
import { throwIfInterrupted, writeDirectoryAtomic } from "../base/atomic.ts";
import { LabError } from "../base/errors.ts";
import { Random } from "../base/random.ts";
import type { JobContext } from "../jobs/job.ts";
import { Optimizer } from "../tensor/optimizers.ts";
import { scheduleFactor } from "../tensor/schedules.ts";
import type { Tokenizer } from "../tokenizer/index.ts";
import { BatchLoss, type Means } from "./batch-loss.ts";
import { checkpointBytes, Checkpoints, type TrainerState } from "./checkpoints.ts";
import type { Batch, BatchStream } from "./data/batches.ts";
import type { StepMetrics } from "./metrics.ts";
import type { Objective, Trainee } from "./objective.ts";
import type { LoopOptions } from "./options.ts";
import { parameterGroups } from "./parameter-groups.ts";
import { RunLog, type TrainingObserver } from "./run-log.ts";
import { RunPosition } from "./run-position.ts";
import { assertAttentionFits, sampleAttention } from "./sample-attention.ts";
import { sampleTexts } from "./sample.ts";

/** What a recipe has made ready. */
export interface Training {
  trainee: Trainee;
  objective: Objective;
  /** Goes on for ever, or for as many epochs as are wanted. */
  train: BatchStream;
  /** One pass over it is an evaluation. */
  evaluation?: BatchStream | undefined;
  /** Of the text that the evaluation predicts: makes bits per byte of its loss, which do not depend on the tokenizer. */
  bytesPerToken?: number | undefined;
  /** For samples. */
  tokenizer?: Tokenizer | undefined;
  /** Files that go beside the weights: the tokenizer's. */
  files: Readonly<Record<string, string>>;
  /** Where the trained model or adapter goes: a directory that is not there yet, in one that is. */
  out: string;
}

/** What came out: `run.json`'s result. */
export type Trained = {
  /** The trained model or adapter. */
  path: string;
  steps: number;
  /** Trained on, padding not counted. */
  tokens: number;
  elapsedMs: number;
  /** The last one, in nats per learned token. */
  evalLoss?: number;
  best?: { checkpoint: string; evalLoss: number };
  /** The checkpoint whose weights these are. */
  weights: string;
};

export type LoopContext = Pick<JobContext<unknown>, "folder" | "signal" | "progress" | "emit">;

/** Steps of a run: as many as asked for, or those of the epochs. */
export function totalSteps(
  train: BatchStream,
  {
    maxSteps,
    gradientAccumulationSteps,
  }: Pick<LoopOptions, "maxSteps" | "gradientAccumulationSteps">,
): number {
  return maxSteps ?? Math.ceil(train.totalBatches / gradientAccumulationSteps);
}

/** A batch that takes so long is not computed twice only to be measured. */
const LONG_BATCH_MS = 2_000;

/** Steps, evaluations, samples and checkpoints of one training, in an order that a later process repeats to the bit. */
export class TrainingLoop implements Disposable {
  readonly #training: Training;
  readonly #options: LoopOptions & { seed: number };
  readonly #context: LoopContext;
  readonly #observer: TrainingObserver;
  readonly #totalSteps: number;
  readonly #optimizer: Optimizer;
  readonly #losses: BatchLoss;
  readonly #checkpoints: Checkpoints;
  readonly #factor: (step: number) => number;
  #restored: TrainerState | undefined;

  constructor(
    training: Training,
    options: LoopOptions & { seed: number },
    context: LoopContext,
    observer: TrainingObserver = {},
  ) {
    this.#training = training;
    this.#options = options;
    this.#context = context;
    this.#observer = observer;
    this.#totalSteps = totalSteps(training.train, options);
    const { warmupSteps = Math.round(options.warmupRatio * this.#totalSteps) } = options;
    this.#factor = scheduleFactor({
      schedule: options.lrSchedulerType,
      steps: this.#totalSteps,
      warmupSteps,
      minFactor: options.minLrRatio,
    });
    const { trainee, objective, files, tokenizer } = training;
    const [first] = options.samplePrompts;
    if (options.sampleAttention && first !== undefined && tokenizer !== undefined)
      assertAttentionFits(trainee, { tokenizer, prompt: first });
    const { folder } = context;
    const limit = options.saveTotalLimit;
    this.#optimizer = new Optimizer(trainee.backend, parameterGroups(trainee.parameters, options));
    this.#losses = new BatchLoss({ trainee, objective, optimizer: this.#optimizer });
    this.#checkpoints = new Checkpoints({
      ...{ folder, trainee, files, limit },
      optimizer: this.#optimizer,
    });
  }

  /** Goes where the folder's newest checkpoint stands; gives the steps that are done. */
  async restore(): Promise<number> {
    this.#restored = await this.#checkpoints.restoreLast();
    if (this.#restored === undefined) return 0;
    this.#training.train.restore(this.#restored.data_position);
    return this.#restored.global_step;
  }

  /**
   * Computes the first batch with its gradients and changes nothing: how long a step takes (its batches, without what the
   * optimiser adds), and what a batch needs of memory.
   *
   * @throws LabError `out_of_memory` before anything is allocated that does not fit
   */
  async measure(signal: AbortSignal): Promise<{ stepMs: number; batchBytes: number }> {
    const { train } = this.#training;
    const position = train.state();
    const { gradientAccumulationSteps } = this.#options;
    const batches = take(train, 1);
    const random = new Random(0);
    let batchMs = Infinity;
    // The first time, memory is touched and threads are started.
    for (let i = 0; i < 2; i++) {
      const startedMs = performance.now();
      await this.#losses.train(batches, { random, signal });
      batchMs = performance.now() - startedMs;
      if (batchMs > LONG_BATCH_MS) break;
    }
    this.#optimizer.discard();
    train.restore(position);
    return { stepMs: batchMs * gradientAccumulationSteps, batchBytes: this.#losses.sizeBytes };
  }

  /** Bytes of one checkpoint. */
  get checkpointBytes(): number {
    return checkpointBytes(this.#training.trainee, this.#optimizer);
  }

  /**
   * Trains to the end, from the beginning or from where `restore` went. Interrupted, it saves and then throws.
   *
   * @throws LabError `check_failed` for a loss that is no number or has exploded, naming step, batch and layer; the
   *   checkpoints of before are as they were; `interrupted`; `disk_full`
   */
  async run(): Promise<Trained> {
    const restored = this.#restored;
    const log = await RunLog.open(this.#context, this.#observer, {
      afterStep: restored?.global_step ?? 0,
      tensorboard: this.#options.tensorboard,
    });
    const run = new RunPosition(this.#totalSteps, this.#training.train, restored);
    try {
      await this.#steps(run, log);
      return await this.#finish(run);
    } catch (error) {
      if (!this.#context.signal.aborted) throw error;
      this.#optimizer.discard();
      this.#training.train.restore(run.position);
      if (run.step > run.savedStep) await this.#save(run);
      throw error;
    } finally {
      await log.close();
    }
  }

  async #steps(run: RunPosition, log: RunLog): Promise<void> {
    const { evalSteps, saveSteps } = this.#options;
    const { signal } = this.#context;
    while (run.step < this.#totalSteps) {
      throwIfInterrupted(signal);
      const metrics = await this.#step(run, log);
      log.step(metrics);
      const isLast = run.step === this.#totalSteps;
      const saves = isLast || run.step % saveSteps === 0;
      // Evaluated at each checkpoint, so that the best of them is known.
      if (saves || run.step % evalSteps === 0) await this.#look(run, log);
      if (saves) {
        await this.#save(run);
        await log.flush();
      }
    }
  }

  async #step(run: RunPosition, log: RunLog): Promise<StepMetrics> {
    const startedMs = performance.now();
    const { train } = this.#training;
    const { seed, learningRate, maxGradNorm, gradientAccumulationSteps } = this.#options;
    const step = run.step + 1;
    const batches = take(train, gradientAccumulationSteps);
    const random = new Random(seed).split(step);
    const means = await this.#losses.train(batches, { random, signal: this.#context.signal });
    const factor = this.#factor(run.step);
    const gradNorm = await this.#update(step, { means, batches, factor, maxGradNorm });
    const tokens = batches.reduce((sum, batch) => sum + batch.tokens, 0);
    run.advance(tokens, performance.now() - startedMs);
    const { loss, metrics } = means;
    for (const outlier of run.watch.observe(step, { loss, gradNorm })) log.outlier(outlier);
    return {
      ...run.moment(),
      loss,
      learningRate: learningRate * factor,
      gradNorm,
      tokensPerSecond: (tokens * 1000) / (performance.now() - startedMs),
      ...(Object.keys(metrics).length === 0 ? {} : { more: metrics }),
    };
  }

  /** Moves the weights; gives the gradients' norm. */
  async #update(
    step: number,
    {
      means,
      batches,
      factor,
      maxGradNorm,
    }: { means: Means; batches: readonly Batch[]; factor: number; maxGradNorm: number },
  ): Promise<number> {
    const at = batches.map(({ epoch, index }) => `${index} of epoch ${epoch}`).join(", ");
    if (!Number.isFinite(means.loss)) {
      const layer = await this.#firstNonFinite(batches);
      throw new LabError(
        "check_failed",
        `the loss became ${means.loss} in step ${step} (batch ${at})${layer === undefined ? "" : `, first at ${layer}`}`,
        { hint: "Lower the learning rate or clip gradients; the checkpoints of before are whole." },
      );
    }
    try {
      return (await this.#optimizer.step({ factor, maxNorm: maxGradNorm })).gradientNorm;
    } catch (error) {
      if (!(error instanceof LabError) || error.code !== "check_failed") throw error;
      const { message, hint } = error;
      throw new LabError(
        "check_failed",
        `${message} (batch ${at})`,
        hint === undefined ? {} : { hint },
      );
    }
  }

  /** Where the forward pass first gives a value that is no number. */
  async #firstNonFinite(batches: readonly Batch[]): Promise<string | undefined> {
    using runner = this.#training.trainee.runner();
    for (const { ids, sequences, length } of batches)
      for (let row = 0; row < sequences; row++) {
        const tokens = [...ids.subarray(row * length, (row + 1) * length)];
        const found = await runner.firstNonFinite(tokens);
        if (found !== undefined) return found;
      }
    return undefined;
  }

  /** Evaluates, and lets the model write. */
  async #look(run: RunPosition, log: RunLog): Promise<void> {
    const { evaluation, bytesPerToken, tokenizer, trainee } = this.#training;
    const { signal } = this.#context;
    const {
      samplePrompts: prompts,
      sampleTokens: maxTokens,
      sampleAttention: keeps,
    } = this.#options;
    const [prompt] = prompts;
    const startedMs = performance.now();
    if (evaluation !== undefined) {
      evaluation.restore({ ...evaluation.state(), epoch: 0, batch: 0 });
      const { loss, metrics } = await this.#losses.evaluate(evaluation, { signal });
      const named = Object.entries(metrics).map(([name, value]): [string, number] => [
        `eval_${name}`,
        value,
      ]);
      if (bytesPerToken !== undefined)
        named.push(["eval_bits_per_byte", loss / Math.LN2 / bytesPerToken]);
      run.evaluated = { step: run.step, loss };
      log.evaluation({
        ...run.moment(),
        evalLoss: loss,
        ...(named.length === 0 ? {} : { more: Object.fromEntries(named) }),
      });
    }
    if (tokenizer !== undefined && prompts.length > 0)
      log.samples(await sampleTexts(trainee, { tokenizer, prompts, maxTokens, signal }));
    if (tokenizer !== undefined && prompt !== undefined && keeps)
      log.samples([await sampleAttention(trainee, { tokenizer, prompt, signal })]);
    run.elapsedMs += performance.now() - startedMs;
  }

  async #save(run: RunPosition): Promise<void> {
    const { evaluated, best } = run;
    const name = `checkpoint-${run.step}`;
    if (evaluated?.step === run.step && (best === undefined || evaluated.loss < best.loss))
      run.best = { name, loss: evaluated.loss };
    await this.#checkpoints.save(run.state());
    run.savedStep = run.step;
  }

  async #finish(run: RunPosition): Promise<Trained> {
    const { trainee, out } = this.#training;
    const { best } = run;
    const usesBest = this.#options.loadBestModelAtEnd && best !== undefined;
    if (usesBest) await trainee.restore(this.#checkpoints.path(best.name));
    await writeDirectoryAtomic(out, (folder) => this.#checkpoints.writeModel(folder), {
      replace: path.dirname(out) === this.#context.folder,
    });
    return {
      path: out,
      steps: run.step,
      tokens: run.tokens,
      elapsedMs: Math.round(run.elapsedMs),
      ...(run.evaluated === undefined ? {} : { evalLoss: run.evaluated.loss }),
      ...(best === undefined ? {} : { best: { checkpoint: best.name, evalLoss: best.loss } }),
      weights: usesBest ? best.name : `checkpoint-${run.step}`,
    };
  }

  [Symbol.dispose](): void {
    this.#losses[Symbol.dispose]();
    this.#optimizer[Symbol.dispose]();
  }
}

function take(stream: BatchStream, count: number): Batch[] {
  const batches: Batch[] = [];
  for (let batch = stream.next(); batch !== undefined; batch = stream.next()) {
    batches.push(batch);
    if (batches.length === count) break;
  }
  return batches;
}
