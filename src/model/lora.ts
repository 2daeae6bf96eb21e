/**
 * Low-rank adapters (LoRA, Hu et al. 2021, arXiv 2106.09685): a linear layer gives
 *
 *   y = x·Wᵀ + b + s · (x·Aᵀ)·Bᵀ
 *
 * where W stays as it is, in whatever type it lies in memory, and only A and B are learned. DoRA (Liu et al. 2024,
 * arXiv 2402.09353) learns a length m for each row of W besides: y = m/‖W + s·B·A‖ ⊙ (x·Wᵀ + s · (x·Aᵀ)·Bᵀ) + b.
 *
 * R rows, K inputs and M outputs of a layer, r rank.
 */
import { add, matmulTransposed, mul, scale as times } from "../tensor/ops/index.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { PhiConfig } from "./config.ts";
import { listParameters } from "./parameters.ts";
import type { Linear, Projections } from "./layers.ts";
import type { PhiBlock, PhiWeights } from "./phi.ts";

/** What an adapter adds to one linear layer. */
export interface LowRank {
  a: Tensor; // f32 [r, K]
  b: Tensor; // f32 [M, r]
  /** s: α/r, or α/√r in rsLoRA (Kalajdzievski 2023, arXiv 2312.03732). */
  scale: number;
  /** Dropout in training: what the rows that A reads are multiplied by, 0 or 1/(1 − p). W reads them as they are. */
  mask?: Tensor; // f32 [R, K]
  /** DoRA: `gain` is m/‖W + s·B·A‖, and `shift` b·(1 − gain), so that y′ = gain ⊙ (y + …) + shift leaves b as it is. */
  dora?: { gain: Tensor /* f32 [M] */; shift: Tensor /* f32 [M] */ };
}

/** A linear layer that an adapter can change. */
export interface LinearModule {
  /** As in today's `PhiForCausalLM`: `model.layers.0.self_attn.q_proj`, `lm_head`. */
  readonly name: string;
  readonly outputs: number;
  readonly inputs: number;
}

/** Every linear layer of a model, in the order of its parameters. The embedding is a table, no linear layer. */
export function linearModules(config: PhiConfig): LinearModule[] {
  return listParameters(config).flatMap(({ name, shape: [outputs, inputs] }) =>
    outputs === undefined || inputs === undefined || name === "model.embed_tokens.weight"
      ? []
      : [{ name: name.replace(/\.weight$/, ""), outputs, inputs }],
  );
}

/** What a layer gives with its adapter, from `y` that it gives without: `[R, K]` and `[R, M]` → `[R, M]`. */
export function adapted(y: Tensor, x: Tensor, lora: LowRank | undefined): Tensor {
  if (lora === undefined) return y;
  const { a, b, scale, mask, dora } = lora;
  const read = mask === undefined ? x : mul(x, mask);
  const coordinates = times(matmulTransposed(read, a), scale); // [R, r]
  const sum = add(y, matmulTransposed(coordinates, b)); // [R, M]
  return dora === undefined ? sum : add(mul(sum, dora.gain), dora.shift);
}

/** Operations that `adapted` records at most, for graphs that plan their size. */
export const ADAPTED_NODES = 8;

/** The model under an adapter: the same tensors, and what it adds to the linear layers that it names. */
export function withAdapter(
  weights: PhiWeights,
  changes: ReadonlyMap<string, LowRank>,
): PhiWeights {
  const change = (module: string): { lora?: LowRank } => {
    const lora = changes.get(module);
    return lora === undefined ? {} : { lora };
  };
  const adapt = (linear: Linear, module: string): Linear => ({ ...linear, ...change(module) });
  const project = (projections: Projections, at: string): Projections => {
    const [q, k, v] = [`${at}.q_proj`, `${at}.k_proj`, `${at}.v_proj`] as const;
    if ("qkv" in projections)
      return { ...projections, parts: [change(q).lora, change(k).lora, change(v).lora] };
    return { q: adapt(projections.q, q), k: adapt(projections.k, k), v: adapt(projections.v, v) };
  };
  const block = ({ norm, projections, dense, mlp }: PhiBlock, layer: number): PhiBlock => {
    const at = `model.layers.${layer}`;
    return {
      norm,
      projections: project(projections, `${at}.self_attn`),
      dense: adapt(dense, `${at}.self_attn.dense`),
      mlp: mlp && { fc1: adapt(mlp.fc1, `${at}.mlp.fc1`), fc2: adapt(mlp.fc2, `${at}.mlp.fc2`) },
    };
  };
  return { ...weights, blocks: weights.blocks.map(block), head: adapt(weights.head, "lm_head") };
}
