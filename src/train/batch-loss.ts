/**
 * Computes the loss of batches, with gradients for training and without for evaluation. One graph is kept for as long as
 * batches have its shape; all graphs use the same memory, one after another.
 */
import { Random } from "../base/random.ts";
import { Executor } from "../engine/executor.ts";
import { Graph } from "../tensor/graph.ts";
import type { Optimizer } from "../tensor/optimizers.ts";
import type { Batch } from "./data/batches.ts";
import { assertMemory } from "./plan.ts";
import type { BatchShape, Objective, RecordedLoss, Trainee } from "./objective.ts";

/** The mean loss of a step or of an evaluation, and the other means by name. */
export interface Means {
  loss: number;
  metrics: Record<string, number>;
}

interface Recorded extends RecordedLoss {
  key: string;
  graph: Graph;
}

/** The loss of batches and its gradients, with a graph kept for each shape of batch. */
export class BatchLoss implements Disposable {
  readonly #trainee: Trainee;
  readonly #objective: Objective;
  readonly #optimizer: Optimizer | undefined;
  readonly #executor: Executor;
  #recorded: Recorded | undefined;

  /** @param options.optimizer - what gradients are added to; not needed where nothing is trained */
  constructor(options: { trainee: Trainee; objective: Objective; optimizer?: Optimizer }) {
    this.#trainee = options.trainee;
    this.#objective = options.objective;
    this.#optimizer = options.optimizer;
    this.#executor = new Executor(options.trainee.backend, { maxNodes: 2 * this.#maxNodes });
  }

  /**
   * The loss of batches that are one step together; their gradients are added to the optimiser's. Interrupted, it leaves
   * gradients that are to be discarded.
   *
   * @param options.random - numbers of this step alone
   */
  async train(
    batches: readonly Batch[],
    options: { random: Random; signal?: AbortSignal },
  ): Promise<Means> {
    return this.#sum(batches, { ...options, training: true });
  }

  /** The mean loss over batches, without anything random. */
  async evaluate(
    batches: Iterable<Batch>,
    { signal }: { signal?: AbortSignal } = {},
  ): Promise<Means> {
    const abort = signal === undefined ? {} : { signal };
    const parts: { weight: number; means: Means }[] = [];
    for (const batch of batches) {
      const weight = this.#objective.weigh(batch);
      if (weight === 0) continue;
      const options = { ...abort, random: new Random(0), training: false };
      parts.push({ weight, means: await this.#sum([batch], options) });
    }
    const total = parts.reduce((sum, { weight }) => sum + weight, 0);
    const means: Means = { loss: 0, metrics: {} };
    for (const { weight, means: part } of parts) add(means, part, weight / total);
    return means;
  }

  async #sum(
    batches: readonly Batch[],
    { random, training, signal }: { random: Random; training: boolean; signal?: AbortSignal },
  ): Promise<Means> {
    const total = batches.reduce((sum, batch) => sum + this.#objective.weigh(batch), 0);
    const means: Means = { loss: 0, metrics: {} };
    for (const [i, batch] of batches.entries()) {
      if (this.#objective.weigh(batch) === 0) continue;
      const { graph, loss, metrics = {}, fill } = this.#record(batch, training);
      fill(batch, { total, random: random.split(i) });
      await graph.compute(signal === undefined ? {} : { signal });
      const values = Object.entries(metrics).map(([name, share]) => [name, valueOf(share)]);
      const part = { loss: valueOf(loss), metrics: Object.fromEntries(values) as Means["metrics"] };
      add(means, part, 1);
    }
    return means;
  }

  #record({ sequences, length }: BatchShape, training: boolean): Recorded {
    const key = `${sequences} ${length} ${training}`;
    if (this.#recorded?.key === key) return this.#recorded;
    this.#forget();
    const { backend } = this.#trainee;
    const graph = new Graph(backend, { maxNodes: this.#maxNodes, executor: this.#executor });
    try {
      const recorded = this.#objective.record(graph, { sequences, length }, { training });
      const { loss, metrics = {} } = recorded;
      if (training) this.#optimizer?.accumulateFrom(loss);
      graph.output(loss, ...Object.values(metrics));
      this.#assertFits(graph);
      graph.allocate();
      this.#recorded = { ...recorded, key, graph };
      return this.#recorded;
    } catch (error) {
      graph[Symbol.dispose]();
      throw error;
    }
  }

  /** The system would give memory that is not there, and end the process when it is used. */
  #assertFits(graph: Graph): void {
    const more = (graph.requiredBytes() ?? 0) - this.sizeBytes;
    assertMemory(
      more,
      "a batch needs",
      "Use smaller batches (--per-device-train-batch-size, with --gradient-accumulation-steps), shorter sequences, or --gradient-checkpointing.",
    );
  }

  /** Bytes of the values between the weights and the loss, of the largest graph so far. */
  get sizeBytes(): number {
    return this.#executor.sizeBytes;
  }

  /** More than the operations of two forward passes and their gradients: room in headers, not in values. */
  get #maxNodes(): number {
    return 1024 + 1024 * this.#trainee.config.layers;
  }

  #forget(): void {
    this.#recorded?.graph[Symbol.dispose]();
    this.#recorded = undefined;
  }

  [Symbol.dispose](): void {
    this.#forget();
    this.#executor[Symbol.dispose]();
  }
}

function valueOf(share: { read(): Float32Array }): number {
  return share.read()[0] ?? NaN;
}

function add(sum: Means, { loss, metrics }: Means, factor: number): void {
  sum.loss += factor * loss;
  for (const [name, value] of Object.entries(metrics))
    sum.metrics[name] = (sum.metrics[name] ?? 0) + factor * value;
}
