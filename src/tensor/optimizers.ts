/**
 * Optimisers: gradients that add up over the parts of a batch, their common norm, and the step that changes the weights.
 * The step is a computation of its own, so that a gradient which is no number is found before it does any harm.
 */
import { invariant, LabError } from "../base/errors.ts";
import type { Backend } from "../engine/backend.ts";
import { eachGradient } from "./autograd/gradients.ts";
import { Graph } from "./graph.ts";
import { reshape, slice } from "./ops/layout.ts";
import { assign } from "./ops/lookup.ts";
import { mul } from "./ops/elementwise.ts";
import { matmulTransposed } from "./ops/product.ts";
import { sumAll } from "./ops/reduce.ts";
import { accumulate, clear } from "./ops/update.ts";
import { describeShape } from "./shape.ts";
import { TensorStore } from "./store.ts";
import type { Tensor } from "./tensor.ts";
import { updateRule, type OptimizerSettings, type UpdateRule } from "./update-rules.ts";

/** Parameters that share settings, such as all that are subject to weight decay. */
export interface ParameterGroup {
  /** Stored f32 tensors with names of their own. */
  parameters: readonly Tensor[];
  learningRate: number;
  settings: OptimizerSettings;
}

export interface StepOptions {
  /** What every learning rate is multiplied by: the value of a schedule. */
  factor?: number;
  /** Gradients of a larger common norm are shrunk to it. */
  maxNorm?: number;
  signal?: AbortSignal;
}

export interface StepReport {
  /** The number of this step, from 1. */
  step: number;
  /** Norm of all gradients together, before clipping. */
  gradientNorm: number;
  /** What the gradients were multiplied by: 1, or less where they were clipped. */
  clip: number;
}

interface Slot {
  parameter: Tensor;
  gradient: Tensor;
  state: readonly Tensor[];
  rule: UpdateRule;
  group: ParameterGroup;
}

/**
 * AdamW, Muon or SGD over groups of parameters: gradients add up over the parts of a batch, then one step changes the weights
 * in place.
 */
export class Optimizer implements Disposable {
  readonly #store: TensorStore;
  readonly #slots: readonly Slot[];
  readonly #norms: { graph: Graph; squares: Tensor };
  readonly #update: { graph: Graph; clip: Tensor; numbers: readonly Tensor[] };
  #steps = 0;

  constructor(backend: Backend, groups: readonly ParameterGroup[]) {
    const planned = groups.flatMap((group) =>
      group.parameters.map((parameter) => ({
        group,
        parameter,
        rule: updateRule(group.settings, parameter.shape),
      })),
    );
    assertTrainable(planned);
    const specs = planned.flatMap(({ parameter, rule }) =>
      ["gradient", ...rule.stateNames].map((kind) => ({
        name: `${parameter.name}.${kind}`,
        dtype: "f32" as const,
        shape: parameter.shape,
      })),
    );
    // Beside the gradients, since a graphics card changes only what lies in its own memory.
    const counted = { name: "squares", dtype: "f32" as const, shape: [planned.length] };
    this.#store = new TensorStore(1 + specs.length);
    const [squares, ...tensors] = this.#store.create(backend.bufferType, [counted, ...specs]);
    invariant(squares !== undefined, "a tensor for each that was asked for");
    for (const tensor of tensors) tensor.clearRows(0, tensor.dim(0));
    this.#slots = planned.map(({ group, parameter, rule }) => {
      const [gradient, ...state] = tensors.splice(0, 1 + rule.stateNames.length);
      return { group, parameter, rule, state, gradient: gradient as Tensor };
    });
    this.#norms = { graph: normGraph(backend, { slots: this.#slots, squares }), squares };
    this.#update = updateGraph(backend, this.#slots);
  }

  /** All parameters, in the order of the groups. */
  get parameters(): Tensor[] {
    return this.#slots.map(({ parameter }) => parameter);
  }

  /** Steps taken; set it together with `state` to continue a run. */
  get steps(): number {
    return this.#steps;
  }

  set steps(steps: number) {
    if (!Number.isInteger(steps) || steps < 0) throw new LabError("bad_input", `step ${steps}`);
    this.#steps = steps;
  }

  /** What a run must keep to continue, by name: `<parameter>.exp_avg`, … */
  get state(): ReadonlyMap<string, Tensor> {
    return new Map(
      this.#slots.flatMap(({ state }) =>
        state.map((tensor) => [tensor.name ?? "", tensor] as const),
      ),
    );
  }

  /** Bytes of gradients, state and the memory of a step. */
  get sizeBytes(): number {
    const graphs = [this.#norms.graph, this.#update.graph];
    return this.#store.sizeBytes + graphs.reduce((sum, g) => sum + g.executor.sizeBytes, 0);
  }

  /**
   * Records, in the graph that computes them, that gradients are added to those of the step to come.
   *
   * @param gradients - one for each of `parameters`, in their order
   */
  accumulate(gradients: readonly Tensor[]): void {
    if (gradients.length !== this.#slots.length)
      throw new LabError(
        "bad_input",
        `${gradients.length} gradients for ${this.#slots.length} parameters`,
      );
    this.#slots.forEach((slot, i) => {
      const added = accumulate(slot.gradient, gradients[i] as Tensor);
      added.graph?.require(added);
    });
  }

  /**
   * Records, in the graph that computes a loss, that its gradients are added to those of the step to come, each as soon as
   * it is there.
   */
  accumulateFrom(loss: Tensor): void {
    eachGradient(loss, this.parameters, (gradient, i) => {
      const added = accumulate((this.#slots[i] as Slot).gradient, gradient);
      added.graph?.require(added);
    });
  }

  /**
   * Changes the parameters by the gradients that were accumulated since the last step, and forgets these.
   *
   * @throws LabError `check_failed` when a gradient is not finite, naming its parameter, with all weights as they were;
   *   `interrupted`, after which the weights of an unfinished step are neither old nor new
   */
  async step({ factor = 1, maxNorm, signal }: StepOptions = {}): Promise<StepReport> {
    const computed = signal === undefined ? {} : { signal };
    await this.#norms.graph.compute(computed);
    const squares = this.#norms.squares.read();
    const gradientNorm = Math.sqrt(squares.reduce((sum, square) => sum + square, 0));
    if (!Number.isFinite(gradientNorm)) throw this.#notFinite(squares);
    // The small number is PyTorch's, in `clip_grad_norm_`.
    const clip = maxNorm === undefined ? 1 : Math.min(1, maxNorm / (gradientNorm + 1e-6));
    const step = this.#steps + 1;
    this.#update.clip.write(new Float32Array(this.#update.clip.size).fill(clip));
    this.#slots.forEach(({ rule, group }, i) =>
      this.#update.numbers[i]?.write(rule.numbers.at(step, group.learningRate * factor)),
    );
    await this.#update.graph.compute(computed);
    this.#steps = step;
    return { step, gradientNorm, clip };
  }

  /** Forgets the gradients that were accumulated since the last step. */
  discard(): void {
    for (const { gradient } of this.#slots) gradient.clearRows(0, gradient.dim(0));
  }

  #notFinite(squares: Float32Array): LabError {
    const wrong = this.#slots.filter((_, i) => !Number.isFinite(squares[i]));
    const names = wrong.map(({ parameter }) => parameter.name);
    return new LabError(
      "check_failed",
      `the gradient of ${names.slice(0, 3).join(", ")}${names.length > 3 ? ` and ${names.length - 3} more` : ""} is not finite in step ${this.#steps + 1}`,
      {
        hint: "Lower the learning rate, clip gradients, or look at the batch. The weights are unchanged.",
      },
    );
  }

  [Symbol.dispose](): void {
    this.#norms.graph[Symbol.dispose]();
    this.#update.graph[Symbol.dispose]();
    this.#store[Symbol.dispose]();
  }
}

function assertTrainable(planned: readonly { parameter: Tensor; group: ParameterGroup }[]): void {
  const seen = new Set<string>();
  for (const { parameter, group } of planned) {
    const { name, dtype } = parameter;
    if (name === undefined || dtype !== "f32" || parameter.made !== undefined)
      throw new LabError("bad_input", `${describeShape(parameter)} cannot be trained`, {
        hint: "Parameters are stored f32 tensors with names.",
      });
    if (seen.has(name)) throw new LabError("bad_input", `parameter ${name} is in two groups`);
    if (group.settings.optimizer === "muon" && parameter.rank !== 2)
      throw new LabError("bad_input", `Muon moves matrices, not ${describeShape(parameter)}`, {
        hint: "Put embeddings, biases and norms into a group of their own, with AdamW.",
      });
    seen.add(name);
  }
}

/**
 * Computes the sum of squares of every gradient, into one tensor: ggml's allocator ends the process when hundreds of small
 * results that are kept leave gaps between them.
 *
 * @param squares - stored, f32, as many as slots
 */
function normGraph(
  backend: Backend,
  { slots, squares }: { slots: readonly Slot[]; squares: Tensor },
): Graph {
  const graph = new Graph(backend, { maxNodes: 16 + 12 * slots.length });
  const sums = graph.use(squares);
  slots.forEach(({ gradient }, i) => {
    const rows = reshape(graph.use(gradient), [-1, 1, gradient.dim(-1)]);
    const sum = sumAll(matmulTransposed(rows, rows)); // each row with itself
    graph.require(assign(slice(sums, { axis: 0, start: i, length: 1 }), sum));
  });
  graph.allocate();
  return graph;
}

/** Clips, steps, and clears the gradients. */
function updateGraph(
  backend: Backend,
  slots: readonly Slot[],
): { graph: Graph; clip: Tensor; numbers: readonly Tensor[] } {
  const graph = new Graph(backend, { maxNodes: 64 + 96 * slots.length });
  const widest = Math.max(...slots.map(({ gradient }) => gradient.dim(-1)));
  const clip = graph.input("f32", [widest], "clip"); // a row is multiplied faster than a number
  const numbers = slots.map(({ parameter, gradient, state, rule }) => {
    const own = graph.input("f32", [rule.numbers.count]);
    const row = slice(clip, { axis: 0, start: 0, length: gradient.dim(-1) });
    const update = { graph, weights: parameter, state, numbers: own };
    const whole = rule.recordWhole?.({ ...update, gradient, factor: row });
    if (whole === undefined) {
      graph.require(rule.record({ ...update, gradient: mul(graph.use(gradient), row) }));
      graph.require(clear(graph, gradient));
    } else graph.require(whole);
    return own;
  });
  graph.allocate();
  return { graph, clip, numbers };
}
