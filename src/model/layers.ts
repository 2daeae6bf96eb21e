/**
 * What the forward passes of all models are made of: linear layers, norms, queries, keys and values.
 *
 * R rows (all tokens of all sequences, one after another), N heads, H head size, D model width.
 */
import type { Mode } from "../base/settings.ts";
import {
  add,
  div,
  linear,
  meanLast,
  mul,
  reshape,
  rmsNormalize,
  scale,
  slice,
  sqr,
  sqrt,
  standardize,
  sub,
} from "../tensor/ops/index.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { Attend } from "./attention.ts";
import type { Tap } from "./hook-points.ts";
import { adapted, type LowRank } from "./lora.ts";
import type { addedByHeads } from "./per-head.ts";

export interface Linear {
  weight: Tensor; // [M, K]
  bias: Tensor; // [M]
  /** What an adapter adds. */
  lora?: LowRank;
}

/** A linear layer that may have no bias, as all of Llama's. */
export type MaybeBiased = Omit<Linear, "bias"> & { bias?: Tensor };

export interface Norm {
  weight: Tensor; // [D]
  bias: Tensor; // [D]
}

/**
 * Queries, keys and values from three matrices (as in Hugging Face's files) or from one (as in some GGUF files), to whose
 * parts an adapter adds separately.
 */
export type Projections =
  | { q: Linear; k: Linear; v: Linear }
  | { qkv: Linear /* [3·D, D]: all queries, all keys, all values */; parts?: Parts };

type Parts = readonly [q: LowRank | undefined, k: LowRank | undefined, v: LowRank | undefined];

export interface ForwardInputs {
  ids: Tensor; // i32 [R]
  positions: Tensor; // i32 [R]
  /** How rows see each other: within this batch, or through a cache. */
  attend: Attend;
  /** The rows whose logits are wanted; all of them by default. What follows the last attention is computed for these. */
  logitRows?: Tensor; // i32 [K]
  /** All rows go through the whole last block, not only those whose logits are wanted. */
  wholeLastBlock?: boolean;
  /** Begins at a block, with the stream `[R, D]` that enters it, instead of at the embedding. */
  start?: { layer: number; stream: Tensor };
}

export interface ForwardOptions {
  mode: Mode;
  /** Sees, and may replace, the value at every hook point. */
  tap?: Tap;
}

export function apply({ weight, bias, lora }: MaybeBiased, x: Tensor): Tensor {
  return adapted(linear(x, weight, bias), x, lora);
}

/** The output projection as a whole, and of single heads, to whose sum its bias is added once. */
export function outputOf(dense: MaybeBiased): Parameters<typeof addedByHeads>[2] {
  const { weight, bias, lora } = dense;
  const { dora, ...plain } = lora ?? {};
  const part = (z: Tensor): Tensor => {
    const y = adapted(linear(z, weight), z, lora && (plain as LowRank));
    return dora === undefined ? y : mul(y, dora.gain); // DoRA's shift is of the bias alone
  };
  return { whole: (z) => apply(dense, z), part, bias };
}

export function affine(x: Tensor, { weight, bias }: Norm): Tensor {
  return add(mul(x, weight), bias);
}

type NormAt = `blocks.${number}.${"ln1" | "ln2"}` | "ln_final";

/** (x − mean) / √(variance + eps), in one operation unless the scale itself is wanted. */
export function normalize(x: Tensor, eps: number, at: NormAt, tap: Tap): Tensor {
  if (!tap.wants(`${at}.hook_scale`)) return tap(`${at}.hook_normalized`, standardize(x, eps));
  const centred = sub(x, meanLast(x)); // [R, D]
  return tap(`${at}.hook_normalized`, div(centred, deviation(centred, eps, at, tap)));
}

/** x / √(mean of x² + eps), in one operation unless the scale itself is wanted. */
export function normalizeRms(x: Tensor, eps: number, at: NormAt, tap: Tap): Tensor {
  if (!tap.wants(`${at}.hook_scale`)) return tap(`${at}.hook_normalized`, rmsNormalize(x, eps));
  return tap(`${at}.hook_normalized`, div(x, deviation(x, eps, at, tap)));
}

function deviation(x: Tensor, eps: number, at: NormAt, tap: Tap): Tensor {
  return tap(`${at}.hook_scale`, sqrt(scale(meanLast(sqr(x)), 1, eps))); // [R, 1]
}

/** Queries, keys and values, `[R, N, H]` each. */
export function project(
  h: Tensor,
  projections: Projections,
  { heads, headSize }: { heads: number; headSize: number },
): [q: Tensor, k: Tensor, v: Tensor] {
  const split = (x: Tensor): Tensor => reshape(x, [-1, heads, headSize]); // [R, D] → [R, N, H]
  if (!("qkv" in projections)) {
    const { q, k, v } = projections;
    return [split(apply(q, h)), split(apply(k, h)), split(apply(v, h))];
  }
  const { qkv, parts } = projections;
  const all = apply(qkv, h); // [R, 3·D]
  const part = (i: 0 | 1 | 2): Tensor => {
    const width = heads * headSize;
    return split(adapted(slice(all, { axis: 1, start: i * width, length: width }), h, parts?.[i]));
  };
  return [part(0), part(1), part(2)];
}
