/**
 * Training of a dictionary: the loss in a graph, its optimiser, and what is known of latents that no longer fire.
 *
 * - TopK with AuxK: Gao et al. 2024, arXiv 2406.04093; dead latents learn what the others leave over
 * - BatchTopK: Bussmann et al. 2024, arXiv 2412.06410; the k·R largest of a batch; written as JumpReLU, with the mean of the
 *   least value that was taken as threshold
 * - JumpReLU: Rajamanoharan et al. 2024, arXiv 2407.14435; straight-through gradients of the threshold by a rectangle
 *
 * R rows of a batch; S, I, O as in `dictionary.ts`. Activations are scaled to a mean length of √width, which is folded into the
 * weights when they are written.
 */
import { Random } from "../base/random.ts";
import type { Backend } from "../engine/backend.ts";
import { Executor } from "../engine/executor.ts";
import { Graph } from "../tensor/graph.ts";
import {
  abs,
  add,
  assign,
  detach,
  div,
  exp,
  linear,
  matmul,
  matmulTransposed,
  mul,
  relu,
  reshape,
  scale,
  sqr,
  sqrt,
  step,
  sub,
  sumAll,
  sumLast,
  topKMask,
} from "../tensor/ops/index.ts";
import { Optimizer } from "../tensor/optimizers.ts";
import { TensorStore } from "../tensor/store.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { Rows } from "./activation-store.ts";
import { decode, type DictionaryTensors } from "./record.ts";

export const ARCHITECTURES = ["topk", "batchtopk", "jumprelu"] as const;
export type Architecture = (typeof ARCHITECTURES)[number];

export interface FitOptions {
  kind: "sae" | "transcoder";
  architecture: Architecture;
  sizes: { latents: number; input: number; output: number };
  /** Latents of a token: exactly (`topk`), or in the mean (`batchtopk`). */
  k: number;
  /** Rows of a step. */
  batchTokens: number;
  learningRate: number;
  /** What AuxK's loss counts for, and after how many steps without firing a latent is dead. */
  auxLossCoefficient: number;
  deadFeatureWindow: number;
  /** `jumprelu`: what a latent that fires costs, the width of the rectangle, and where thresholds begin. */
  l0Coefficient: number;
  bandwidth: number;
  initialThreshold: number;
  seed: number;
}

/** Under SAELens' names. */
export interface FitMetrics {
  overall_loss: number;
  mse_loss: number;
  auxiliary_reconstruction_loss: number;
  explained_variance: number;
  l0: number;
  dead_features: number;
}

const THRESHOLD_RATE = 0.01;

interface Recorded {
  graph: Graph;
  outputs: Readonly<Record<"mse" | "aux" | "loss" | "fired" | "least", Tensor>>;
}

/** What `record` reads, shared by the graph with AuxK and that without. */
interface Inputs {
  x: Tensor; // [R, I]
  y: Tensor; // [R, O]
  ones: Tensor; // [1, R]
  dead: Tensor; // [S], 1 for a dead latent
  auxScale: Tensor; // [1]
  l0Scale: Tensor; // [1]
}

export class DictionaryFit implements Disposable {
  readonly options: FitOptions;
  readonly parameters: ReadonlyMap<string, Tensor>;
  readonly optimizer: Optimizer;
  /** Steps since each latent fired. */
  sinceFired: Uint32Array;
  /** `batchtopk`: the running mean of the least value that was taken. */
  meanLeast = 0;
  readonly #backend: Backend;
  readonly #store: TensorStore;
  readonly #executor: Executor;
  readonly #normalize: Graph;
  readonly #recorded = new Map<boolean, Recorded & { inputs: Inputs }>();

  constructor(backend: Backend, options: FitOptions) {
    const { sizes, architecture, seed, learningRate } = options;
    const { latents, input, output } = sizes;
    this.options = options;
    this.#backend = backend;
    const shapes: [string, number[]][] = [
      ["encoder", [latents, input]],
      ["encoderBias", [latents]],
      ["decoder", [latents, output]],
      ["decoderBias", [output]],
      ...(architecture === "jumprelu" ? [["logThreshold", [latents]] as [string, number[]]] : []),
    ];
    this.#store = new TensorStore(shapes.length);
    const tensors = this.#store.create(
      backend.bufferType,
      shapes.map(([name, shape]) => ({ name, shape, dtype: "f32" })),
    );
    this.parameters = new Map(tensors.map((tensor) => [tensor.name ?? "", tensor]));
    for (const tensor of tensors) tensor.write(new Float32Array(tensor.size));
    const random = new Random(seed);
    const decoder = unitRows(latents, output, random.split(1));
    this.#tensor("decoder").write(decoder);
    const tied = options.kind === "sae";
    this.#tensor("encoder").write(tied ? decoder : unitRows(latents, input, random.split(2)));
    this.parameters
      .get("logThreshold")
      ?.write(new Float32Array(latents).fill(Math.log(options.initialThreshold)));
    this.optimizer = new Optimizer(backend, [
      { parameters: tensors, learningRate, settings: { optimizer: "adamw", weightDecay: 0 } },
    ]);
    this.sinceFired = new Uint32Array(latents);
    this.#executor = new Executor(backend, { maxNodes: 1024 });
    this.#normalize = this.#unitDecoder();
  }

  /** Where the decoder's bias begins: the mean of what is to be written. */
  begin(decoderBias: Float32Array): void {
    this.#tensor("decoderBias").write(decoderBias);
  }

  get deadFeatures(): number {
    return this.sinceFired.reduce((sum, steps) => sum + (this.#isDead(steps) ? 1 : 0), 0);
  }

  /**
   * One step on `batchTokens` rows, which are scaled.
   *
   * @param at.factor - what the learning rate is multiplied by
   * @param at.l0Factor - what the cost of a latent that fires is multiplied by
   */
  async step(
    rows: Rows,
    { factor, l0Factor }: { factor: number; l0Factor: number },
  ): Promise<FitMetrics> {
    const { options } = this;
    const dead = this.deadFeatures;
    const auxiliary = options.architecture !== "jumprelu" && dead > 0;
    const { graph, inputs, outputs } = this.#record(auxiliary);
    inputs.x.write(rows.input);
    if (inputs.y !== inputs.x) inputs.y.write(rows.output);
    inputs.ones.write(new Float32Array(options.batchTokens).fill(1));
    inputs.dead.write(Float32Array.from(this.sinceFired, (steps) => (this.#isDead(steps) ? 1 : 0)));
    const share = Math.min(1, dead / this.#auxiliaryK);
    inputs.auxScale.write(Float32Array.of(options.auxLossCoefficient * share));
    inputs.l0Scale.write(Float32Array.of(options.l0Coefficient * l0Factor));
    await graph.compute();
    const [mse = NaN] = outputs.mse.read();
    const fired = outputs.fired.read();
    const metrics = {
      overall_loss: outputs.loss.read()[0] ?? NaN,
      mse_loss: mse,
      auxiliary_reconstruction_loss: outputs.aux.read()[0] ?? NaN,
      explained_variance: 1 - mse / varianceOf(rows.output, options.sizes.output),
      l0: fired.reduce((sum, count) => sum + count, 0) / options.batchTokens,
      dead_features: dead,
    };
    if (options.architecture === "batchtopk") this.#follow(outputs.least.read());
    await this.optimizer.step({ factor, maxNorm: 1 });
    await this.#normalize.compute();
    fired.forEach((count, s) => {
      this.sinceFired[s] = count > 0 ? 0 : (this.sinceFired[s] as number) + 1;
    });
    return metrics;
  }

  /** The weights, of scaled activations. */
  read(): Record<string, Float32Array> {
    return Object.fromEntries([...this.parameters].map(([name, tensor]) => [name, tensor.read()]));
  }

  #isDead(steps: number): boolean {
    return steps >= this.options.deadFeatureWindow;
  }

  get #auxiliaryK(): number {
    const { sizes } = this.options;
    return Math.min(sizes.latents, Math.max(1, Math.floor(sizes.input / 2)));
  }

  #tensor(name: string): Tensor {
    return this.parameters.get(name) as Tensor;
  }

  #follow(taken: Float32Array): void {
    const least = taken.reduce((low, x) => (x > 0 && x < low ? x : low), Infinity);
    if (least === Infinity) return;
    this.meanLeast ||= least; // from 0 on, a short run would end far below
    this.meanLeast += THRESHOLD_RATE * (least - this.meanLeast);
  }

  #record(auxiliary: boolean): Recorded & { inputs: Inputs } {
    const kept = this.#recorded.get(auxiliary);
    if (kept !== undefined) return kept;
    for (const { graph } of this.#recorded.values()) graph[Symbol.dispose]();
    this.#recorded.clear();
    const { batchTokens, sizes, kind } = this.options;
    const graph = new Graph(this.#backend, { maxNodes: 512, executor: this.#executor });
    const x = graph.input("f32", [batchTokens, sizes.input], "x");
    const inputs = {
      x,
      y: kind === "sae" ? x : graph.input("f32", [batchTokens, sizes.output], "y"),
      ones: graph.input("f32", [1, batchTokens], "ones"),
      dead: graph.input("f32", [sizes.latents], "dead"),
      auxScale: graph.input("f32", [1], "aux scale"),
      l0Scale: graph.input("f32", [1], "l0 scale"),
    };
    const { loss, ...told } = this.#loss(inputs, auxiliary);
    this.optimizer.accumulateFrom(loss);
    const outputs = { ...told, loss };
    graph.output(...Object.values(outputs));
    graph.allocate();
    const recorded = { graph, inputs, outputs };
    this.#recorded.set(auxiliary, recorded);
    return recorded;
  }

  #loss(inputs: Inputs, auxiliary: boolean): Recorded["outputs"] {
    const { batchTokens } = this.options;
    const { x, y, ones, dead, auxScale } = inputs;
    const tensors = this.#tensors;
    const pre = this.#preActivations(x);
    const { latents, cost, least } = this.#activate(pre, inputs);
    const out = decode(tensors, latents);
    const rest = sub(y, out);
    const mse = scale(sumAll(sqr(rest)), 1 / batchTokens);
    let aux = scale(mse, 0);
    if (auxiliary) {
      // Far below all others where it is alive.
      const asleep = add(pre, scale(dead, 1e9, -1e9));
      const mask = mul(topKMask(asleep, this.#auxiliaryK).mask, dead);
      const guess = matmul(mul(pre, mask), tensors.decoder);
      aux = mul(scale(sumAll(sqr(sub(guess, detach(rest)))), 1 / batchTokens), auxScale);
    }
    const fired = reshape(matmul(ones, step(latents)), [-1]); // [S]
    const loss = add(add(mse, aux), cost ?? scale(mse, 0));
    return { mse, aux, loss, fired, least: least ?? scale(mse, 1) };
  }

  /**
   * W·(x − b) + b_e as W·x + (b_e − W·b): the gradient of b then goes through one row, not through all of the batch. What is
   * learned from is scaled, so that nothing large cancels.
   */
  #preActivations(x: Tensor): Tensor {
    const { encoder, encoderBias, decoderBias } = this.#tensors;
    if (this.options.kind === "transcoder") return linear(x, encoder, encoderBias);
    const row = reshape(x.graph?.use(decoderBias) ?? decoderBias, [1, -1]);
    const shift = reshape(matmulTransposed(row, encoder), [-1]); // [S]
    return linear(x, encoder, sub(encoderBias, shift));
  }

  #activate(pre: Tensor, { l0Scale }: Inputs): { latents: Tensor; cost?: Tensor; least?: Tensor } {
    const { architecture, k, batchTokens, bandwidth } = this.options;
    const positive = relu(pre);
    if (architecture === "topk") return { latents: mul(positive, topKMask(pre, k).mask) };
    if (architecture === "batchtopk") {
      const found = topKMask(reshape(positive, [1, -1]), Math.round(k * batchTokens));
      return { latents: mul(positive, reshape(found.mask, pre.shape)), least: found.values };
    }
    const stored = this.#tensor("logThreshold");
    const threshold = exp(pre.graph?.use(stored) ?? stored);
    const above = sub(pre, detach(threshold));
    const fires = step(above);
    // 1 within half the bandwidth of the threshold.
    const near = step(scale(abs(above), -1, bandwidth / 2));
    const moved = sub(threshold, detach(threshold)); // 0, with the threshold's gradient
    const latents = add(
      mul(positive, fires),
      mul(detach(mul(near, scale(threshold, -1 / bandwidth))), moved),
    );
    const count = add(sumAll(fires), sumAll(mul(scale(near, -1 / bandwidth), moved)));
    return { latents, cost: mul(scale(count, 1 / batchTokens), l0Scale) };
  }

  get #tensors(): DictionaryTensors {
    return {
      encoder: this.#tensor("encoder"),
      encoderBias: this.#tensor("encoderBias"),
      decoder: this.#tensor("decoder"),
      decoderBias: this.#tensor("decoderBias"),
    };
  }

  /** Makes every row of the decoder as long as 1. */
  #unitDecoder(): Graph {
    const graph = new Graph(this.#backend, { maxNodes: 32 });
    const decoder = this.#tensor("decoder");
    const rows = graph.use(decoder);
    graph.require(assign(decoder, div(rows, sqrt(sumLast(sqr(rows))))));
    graph.allocate();
    return graph;
  }

  [Symbol.dispose](): void {
    for (const { graph } of this.#recorded.values()) graph[Symbol.dispose]();
    this.#normalize[Symbol.dispose]();
    this.#executor[Symbol.dispose]();
    this.optimizer[Symbol.dispose]();
    this.#store[Symbol.dispose]();
  }
}

function unitRows(count: number, width: number, random: Random): Float32Array {
  const values = Float32Array.from({ length: count * width }, () => random.normal());
  for (let start = 0; start < values.length; start += width) {
    const row = values.subarray(start, start + width);
    const norm = Math.hypot(...row);
    for (let i = 0; i < width; i++) row[i] = (row[i] as number) / norm;
  }
  return values;
}

/** The mean squared distance of rows from their mean: what explains nothing leaves. */
function varianceOf(values: Float32Array, width: number): number {
  const count = values.length / width;
  const mean = new Float64Array(width);
  let squares = 0;
  for (let start = 0; start < values.length; start += width)
    for (let i = 0; i < width; i++) {
      const value = values[start + i] as number;
      mean[i] = (mean[i] as number) + value / count;
      squares += value * value;
    }
  return squares / count - mean.reduce((sum, value) => sum + value * value, 0);
}
