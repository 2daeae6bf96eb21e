/**
 * Fits a tuned lens (Belrose et al. 2023, arXiv 2303.08112, §2): for each layer an affine map of the stream, such that the
 * head says of it what it says of the last stream. The loss is KL(final ‖ lens), mean over tokens; the map begins at the
 * identity, which is the logit lens.
 */
import { LabError } from "../base/errors.ts";
import { Random } from "../base/random.ts";
import type { LanguageModel, Prompt } from "../generate/language-model.ts";
import { requirePhi } from "../model/model-config.ts";
import { gradients } from "../tensor/autograd/gradients.ts";
import { Graph } from "../tensor/graph.ts";
import { Optimizer } from "../tensor/optimizers.ts";
import { add, klDivergence, linear, mul, scale, standardize, sumAll } from "../tensor/ops/index.ts";
import { TensorStore } from "../tensor/store.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { lensHooks, type Translator } from "./logit-lens.ts";
import { openWeights } from "./weights.ts";

export interface TunedLens {
  /** One for the stream before each block. */
  translators: Translator[];
  /** Mean KL in nats on tokens that were held out: of the logit lens, and of this one. */
  before: number[];
  after: number[];
}

export interface TunedLensOptions {
  steps?: number;
  learningRate?: number;
  /** Tokens of a step. */
  batchTokens?: number;
  seed?: number;
  signal?: AbortSignal;
  onProgress?: (done: number, total: number) => void;
}

/** Of the tokens, kept for the two figures. */
const HELD_OUT = 0.2;

/** @throws LabError `bad_input` where the prompts have too few tokens; what `run` and `openWeights` throw */
export async function fitTunedLens(
  model: LanguageModel,
  prompts: readonly Prompt[],
  {
    steps = 200,
    learningRate = 1e-3,
    batchTokens = 128,
    seed = 0,
    signal,
    onProgress,
  }: TunedLensOptions = {},
): Promise<TunedLens> {
  const options = signal === undefined ? {} : { signal };
  const { width, layers } = model.config;
  const hooks = lensHooks(layers);
  const streams: Float32Array[][] = hooks.map(() => []);
  for (const prompt of prompts) {
    const run = await model.run(prompt, { capture: hooks, ...options });
    hooks.forEach((hook, i) => streams[i]?.push(run.get(hook).values));
  }
  const rows = streams.map(concatenated);
  const count = (rows[0]?.length ?? 0) / width;
  const kept = Math.floor(count * HELD_OUT);
  if (kept < 8)
    throw new LabError(
      "bad_input",
      `a tuned lens needs more than the ${count} tokens that were given`,
    );
  const random = new Random(seed);
  const order = random.permutation(count);
  const [held, learned] = [order.subarray(0, kept), order.subarray(kept)];
  const final = rows.at(-1) as Float32Array;
  using head = await HeadValues.load(model);
  // The engine computes one graph at a time: each step waits its turn.
  const inTurn = <T>(work: () => Promise<T>): Promise<T> => model.runnerFor().lend(work);
  const lens: TunedLens = { translators: [], before: [], after: [] };
  for (let layer = 0; layer < layers; layer++) {
    using fit = new TranslatorFit(model, head, {
      streams: { own: rows[layer] as Float32Array, final },
      rows: Math.min(batchTokens, learned.length),
      learningRate,
    });
    lens.before.push(await inTurn(() => fit.divergence(held, options)));
    for (let step = 0; step < steps; step++) {
      const drawn = Array.from(
        { length: fit.rows },
        () => learned[random.integer(learned.length)] as number,
      );
      await inTurn(() => fit.step(drawn, { ...options, factor: 1 - step / steps }));
      onProgress?.(layer * steps + step + 1, layers * steps);
    }
    lens.after.push(await inTurn(() => fit.divergence(held, options)));
    lens.translators.push(fit.translator());
  }
  return lens;
}

/** The final LayerNorm and the head in f32, whatever the model computes with: they are differentiated through. */
class HeadValues implements Disposable {
  readonly say: (x: Tensor) => Tensor;
  readonly #store: TensorStore;

  private constructor(store: TensorStore, say: (x: Tensor) => Tensor) {
    this.#store = store;
    this.say = say;
  }

  static async load(model: LanguageModel): Promise<HeadValues> {
    const { width, vocabSize, layerNormEps } = requirePhi(model.config, "tuned lenses");
    const { norm, head } = await (await openWeights(model)).unembed();
    const store = new TensorStore(4);
    const [weight, bias, matrix, offset] = store.create(model.backend.bufferType, [
      { name: "norm.weight", dtype: "f32", shape: [width] },
      { name: "norm.bias", dtype: "f32", shape: [width] },
      { name: "head.weight", dtype: "f32", shape: [vocabSize, width] },
      { name: "head.bias", dtype: "f32", shape: [vocabSize] },
    ]) as [Tensor, Tensor, Tensor, Tensor];
    weight.write(norm.weight);
    bias.write(norm.bias);
    matrix.write(head.weight);
    offset.write(head.bias);
    return new HeadValues(store, (x) =>
      linear(add(mul(standardize(x, layerNormEps), weight), bias), matrix, offset),
    );
  }

  [Symbol.dispose](): void {
    this.#store[Symbol.dispose]();
  }
}

/** One translator, with the graph of its loss and its optimiser. */
class TranslatorFit implements Disposable {
  readonly rows: number;
  readonly #width: number;
  readonly #streams: { own: Float32Array; final: Float32Array };
  readonly #store = new TensorStore(2);
  readonly #parameters: readonly Tensor[];
  readonly #optimizer: Optimizer;
  readonly #graph: Graph;
  readonly #inputs: { own: Tensor; final: Tensor };
  readonly #losses: Tensor;

  constructor(
    model: LanguageModel,
    { say }: HeadValues,
    {
      streams,
      rows,
      learningRate,
    }: { streams: { own: Float32Array; final: Float32Array }; rows: number; learningRate: number },
  ) {
    const { width } = model.config;
    [this.rows, this.#width, this.#streams] = [rows, width, streams];
    this.#parameters = this.#store.create(model.backend.bufferType, [
      { name: "weight", dtype: "f32", shape: [width, width] },
      { name: "bias", dtype: "f32", shape: [width] },
    ]);
    const [weight, bias] = this.#parameters as [Tensor, Tensor];
    for (const tensor of this.#parameters) tensor.write(new Float32Array(tensor.size));
    this.#optimizer = new Optimizer(model.backend, [
      {
        parameters: this.#parameters,
        learningRate,
        settings: { optimizer: "adamw", weightDecay: 0 },
      },
    ]);
    const graph = (this.#graph = new Graph(model.backend, { maxNodes: 1024 }));
    const [own, final] = [graph.input("f32", [rows, width]), graph.input("f32", [rows, width])];
    this.#inputs = { own, final };
    this.#losses = klDivergence(say(final), say(add(own, linear(own, weight, bias)))); // [R]
    const loss = scale(sumAll(this.#losses), 1 / rows);
    this.#optimizer.accumulate(gradients(loss, this.#parameters));
    graph.output(this.#losses);
    graph.allocate();
  }

  /** One step on the given tokens. */
  async step(
    tokens: ArrayLike<number>,
    { signal, factor }: { signal?: AbortSignal; factor: number },
  ): Promise<void> {
    await this.#compute(tokens, signal);
    await this.#optimizer.step({ factor, ...(signal === undefined ? {} : { signal }) });
  }

  /** Mean KL over tokens; the last part of a batch is filled with the first of them, which do not count. */
  async divergence(tokens: Uint32Array, { signal }: { signal?: AbortSignal }): Promise<number> {
    let sum = 0;
    for (let start = 0; start < tokens.length; start += this.rows) {
      const part = Array.from(
        { length: this.rows },
        (_, i) => tokens[start + i] ?? (tokens[0] as number),
      );
      const losses = await this.#compute(part, signal);
      this.#optimizer.discard();
      for (let i = 0; i < this.rows && start + i < tokens.length; i++) sum += losses[i] as number;
    }
    return sum / tokens.length;
  }

  translator(): Translator {
    const [weight, bias] = this.#parameters as [Tensor, Tensor];
    return { weight: weight.read(), bias: bias.read() };
  }

  async #compute(
    tokens: ArrayLike<number>,
    signal: AbortSignal | undefined,
  ): Promise<Float32Array> {
    for (const part of ["own", "final"] as const) {
      const values = new Float32Array(this.rows * this.#width);
      for (let i = 0; i < this.rows; i++) {
        const start = (tokens[i] as number) * this.#width;
        values.set(this.#streams[part].subarray(start, start + this.#width), i * this.#width);
      }
      this.#inputs[part].write(values);
    }
    await this.#graph.compute(signal === undefined ? {} : { signal });
    return this.#losses.read();
  }

  [Symbol.dispose](): void {
    this.#graph[Symbol.dispose]();
    this.#optimizer[Symbol.dispose]();
    this.#store[Symbol.dispose]();
  }
}

function concatenated(parts: readonly Float32Array[]): Float32Array {
  const result = new Float32Array(parts.reduce((sum, { length }) => sum + length, 0));
  let offset = 0;
  for (const part of parts) {
    result.set(part, offset);
    offset += part.length;
  }
  return result;
}
