/**
 * What the training loop is given: what is trained (`Trainee`), and how a batch becomes a loss (`Objective`). Recipes
 * (pre-training, answers, preferences; all weights, or an adapter over frozen ones) differ in nothing else.
 */
import type { Random } from "../base/random.ts";
import type { Backend } from "../engine/backend.ts";
import type { PhiConfig } from "../model/config.ts";
import type { PhiWeights } from "../model/phi.ts";
import type { Runner } from "../model/runner.ts";
import type { Graph } from "../tensor/graph.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { Batch } from "./data/batches.ts";

/** Weights that change. It owns their memory. */
export interface Trainee extends Disposable {
  readonly config: PhiConfig;
  readonly backend: Backend;
  /** Stored f32 tensors, by names that stay the same from run to run; always in the same order. */
  readonly parameters: ReadonlyMap<string, Tensor>;
  /**
   * The model as a graph reads it. `draw` writes what is random in it (the masks of dropout) before each computation; there
   * is none of it outside training.
   *
   * @param options.rows - tokens of the batch
   */
  inGraph(graph: Graph, options: { rows: number; training: boolean }): GraphWeights;
  /** What generates text with the very weights under training. The caller frees it. */
  runner(): Runner;
  /** Writes what was trained into an existing empty folder, as other programs read it. */
  write(folder: string): Promise<void>;
  /** Reads back what `write` wrote, to the bit. Throws `corrupt_file` for parameters of another model. */
  restore(folder: string): Promise<void>;
}

export interface GraphWeights {
  weights: PhiWeights;
  draw?: (random: Random) => void;
}

/** Graphs are recorded for a shape and used again while batches have it. */
export type BatchShape = Pick<Batch, "sequences" | "length">;

/** A loss in a graph. Batches of one step are computed one after the other; what each gives adds up. */
export interface RecordedLoss {
  /** The batch's share of the step's mean loss, one value. */
  loss: Tensor;
  /** Its shares of other means, one value each, by the field's names: TRL's `rewards/margins`. */
  metrics?: Readonly<Record<string, Tensor>>;
  /**
   * Writes the graph's inputs.
   *
   * @param step.total - what the whole step counts for (the sum of `weigh`): what shares are divided by, since a mean of
   *   means would give tokens in short batches more weight
   * @param step.random - numbers of this batch alone, the same when its step is done again
   */
  fill: (batch: Batch, step: { total: number; random: Random }) => void;
}

export interface Objective {
  /** What a batch counts for: its learned tokens, or its pairs. */
  weigh(batch: Batch): number;
  record(graph: Graph, shape: BatchShape, options: { training: boolean }): RecordedLoss;
}
