/** How an optimiser moves one parameter: the state that it keeps for it, and the operations of a step. */
import type { Graph } from "./graph.ts";
import { add, div, mul, scale, sqrt } from "./ops/elementwise.ts";
import { transpose } from "./ops/layout.ts";
import { assign } from "./ops/lookup.ts";
import { matmul, matmulTransposed } from "./ops/product.ts";
import { sumAll } from "./ops/reduce.ts";
import { adamwStep, adamwWholeStep, sgdStep } from "./ops/update.ts";
import type { Tensor } from "./tensor.ts";

export interface AdamWSettings {
  optimizer: "adamw";
  /** Decay of the means of the gradient and of its square; 0.9 and 0.999. */
  betas?: readonly [number, number];
  /** 1e-8 */
  eps?: number;
  /** Decoupled from the gradient; 0.01. */
  weightDecay?: number;
}

export interface SgdSettings {
  optimizer: "sgd";
  /** 0 */
  momentum?: number;
  nesterov?: boolean;
  /** Added to the gradient, times the weight; 0. */
  weightDecay?: number;
}

/**
 * Muon, for matrices between hidden layers: the step is the momentum's nearest half-orthogonal matrix (Jordan et al.
 * 2024, https://kellerjordan.github.io/posts/muon/), as `torch.optim.Muon` computes it, but in f32.
 */
export interface MuonSettings {
  optimizer: "muon";
  /** 0.95 */
  momentum?: number;
  /** true */
  nesterov?: boolean;
  /** Newton-Schulz iterations; 5. */
  iterations?: number;
  /** Decoupled from the gradient; 0.1. */
  weightDecay?: number;
  /**
   * What the learning rate is multiplied by, for a matrix `[A, B]`: `original` √max(1, A/B); `match_rms_adamw`
   * 0.2·√max(A, B), for which AdamW's learning rates do.
   */
  adjustLearningRate?: "original" | "match_rms_adamw";
}

export type OptimizerSettings = AdamWSettings | SgdSettings | MuonSettings;

/** The numbers of a group that change from step to step, as a tensor. */
export interface StepNumbers {
  count: number;
  /** @param step - from 1 */
  at: (step: number, learningRate: number) => Float32Array;
}

export interface UpdateRule {
  /** Names of the tensors kept for each parameter, in its shape, 0 at first. */
  stateNames: readonly string[];
  numbers: StepNumbers;
  /** Records the step; what it changes comes in the returned tensor, which is `require`d. */
  record: (update: {
    graph: Graph;
    weights: Tensor;
    gradient: Tensor;
    state: readonly Tensor[];
    numbers: Tensor;
  }) => Tensor;
  /**
   * The same with what surrounds it, where it can be had in one: the gradient is multiplied by `factor` first and is 0 after.
   * Undefined where it cannot.
   */
  recordWhole?: (
    update: Parameters<UpdateRule["record"]>[0] & { factor: Tensor },
  ) => Tensor | undefined;
}

export function updateRule(settings: OptimizerSettings, shape: readonly number[]): UpdateRule {
  switch (settings.optimizer) {
    case "adamw":
      return adamw(settings);
    case "sgd":
      return sgd(settings);
    case "muon":
      return muon(settings, shape);
  }
}

/** State and bias correction are PyTorch's: `exp_avg`, `exp_avg_sq`, 1 − βᵗ. */
function adamw({
  betas = [0.9, 0.999],
  eps = 1e-8,
  weightDecay = 0.01,
}: AdamWSettings): UpdateRule {
  const [beta1, beta2] = betas;
  return {
    stateNames: ["exp_avg", "exp_avg_sq"],
    numbers: {
      count: 7,
      at: (step, learningRate) =>
        Float32Array.of(
          learningRate,
          beta1,
          beta2,
          eps,
          weightDecay,
          1 / (1 - beta1 ** step),
          1 / (1 - beta2 ** step),
        ),
    },
    record: ({ weights, gradient, state, numbers }) => {
      const [m, v] = state as [Tensor, Tensor];
      return adamwStep(weights, { gradient, m, v, settings: numbers });
    },
    recordWhole: ({ weights, gradient, state, numbers, factor }) => {
      const [m, v] = state as [Tensor, Tensor];
      return adamwWholeStep(weights, { gradient, m, v, settings: numbers, factor });
    },
  };
}

function sgd({ momentum = 0, nesterov = false, weightDecay = 0 }: SgdSettings): UpdateRule {
  return {
    stateNames: momentum === 0 ? [] : ["momentum_buffer"],
    numbers: { count: 2, at: (_, learningRate) => Float32Array.of(learningRate, 0) },
    record: ({ graph, weights, gradient, state, numbers }) => {
      const decayed =
        weightDecay === 0 ? gradient : add(gradient, scale(graph.use(weights), weightDecay));
      const [buffer] = state;
      if (buffer === undefined) return sgdStep(weights, { gradient: decayed, settings: numbers });
      const speed = assign(buffer, add(scale(graph.use(buffer), momentum), decayed));
      const update = nesterov ? add(decayed, scale(speed, momentum)) : speed;
      return sgdStep(weights, { gradient: update, settings: numbers });
    },
  };
}

/** Coefficients of the quintic iteration, chosen for the steepest slope at 0. */
const [A, B, C] = [3.4445, -4.775, 2.0315];
const SMALLEST_NORM = 1e-7;

function muon(settings: MuonSettings, [rows = 1, columns = 1]: readonly number[]): UpdateRule {
  const { momentum = 0.95, nesterov = true, iterations = 5, weightDecay = 0.1 } = settings;
  const adjusted =
    settings.adjustLearningRate === "match_rms_adamw"
      ? 0.2 * Math.sqrt(Math.max(rows, columns))
      : Math.sqrt(Math.max(1, rows / columns));
  return {
    stateNames: ["momentum_buffer"],
    // The decay takes the plain learning rate, so that λ is divided by what the rate was multiplied by.
    numbers: {
      count: 2,
      at: (_, learningRate) => Float32Array.of(learningRate * adjusted, weightDecay / adjusted),
    },
    record: ({ graph, weights, gradient, state, numbers }) => {
      const [buffer] = state as [Tensor];
      const mixed = add(scale(graph.use(buffer), momentum), scale(gradient, 1 - momentum));
      const speed = assign(buffer, mixed);
      const ahead = nesterov ? add(scale(gradient, 1 - momentum), scale(speed, momentum)) : speed;
      return sgdStep(weights, { gradient: orthogonalized(ahead, iterations), settings: numbers });
    },
  };
}

/** Newton-Schulz: X ← a·X + (b·G + c·G²)·X with G = X·Xᵀ, from X of norm 1 and no more rows than columns. */
function orthogonalized(x: Tensor, iterations: number): Tensor {
  const tall = x.dim(0) > x.dim(1);
  let y = tall ? transpose(x) : x;
  const norm = sqrt(sumAll(mul(y, y)));
  y = div(y, scale(norm, 1, SMALLEST_NORM));
  for (let i = 0; i < iterations; i++) {
    const gram = matmulTransposed(y, y);
    const polynomial = add(scale(gram, B), scale(matmulTransposed(gram, gram), C)); // G is symmetric
    y = add(scale(y, A), matmul(polynomial, y));
  }
  return tall ? transpose(y) : y;
}
