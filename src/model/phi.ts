/**
 * Phi-1, Phi-1.5 and Phi-2: the forward pass, top to bottom.
 *
 * A decoder whose blocks run attention and MLP side by side on one LayerNorm (Gunasekar et al. 2023, arXiv 2306.11644,
 * §2.3; Li et al. 2023, arXiv 2309.05463), with rotary positions on the first `rotaryDims` of each head:
 *
 *   x = W_E[ids]
 *   for each block:  h = LN(x);  x = x + Attn(h) + MLP(h)
 *   logits = LN(x) · W_Uᵀ + b_U
 *
 * Shapes, row-major: R rows (all tokens of all sequences, one after another), T query positions, S key positions,
 * N heads, H head size, D model width, F MLP width, V vocabulary.
 */
import type { Mode } from "../base/settings.ts";
import {
  add,
  div,
  gelu,
  geluFast,
  linear,
  meanLast,
  mul,
  reshape,
  rope,
  scale,
  slice,
  sqr,
  sqrt,
  standardize,
  sub,
  takeRows,
} from "../tensor/ops/index.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { Attend } from "./attention.ts";
import type { PhiConfig } from "./config.ts";
import { untouched, type Tap } from "./hook-points.ts";
import { adapted, type LowRank } from "./lora.ts";
import { addedByHeads, projectCopies } from "./per-head.ts";

export interface Linear {
  weight: Tensor; // [M, K]
  bias: Tensor; // [M]
  /** What an adapter adds. */
  lora?: LowRank;
}

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

export interface PhiBlock {
  norm: Norm;
  projections: Projections;
  dense: Linear; // [D, D]
  /** Absent in an attention-only model (`mlpWidth` 0). */
  mlp: { fc1: Linear; fc2: Linear } | undefined; // [F, D], [D, F]
}

export interface PhiWeights {
  embedding: Tensor; // [V, D]
  blocks: readonly PhiBlock[];
  finalNorm: Norm;
  head: Linear; // [V, D]
}

export interface PhiInputs {
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

export interface PhiOptions {
  mode: Mode;
  tap?: Tap;
  around?: (block: (x: Tensor) => Tensor) => (x: Tensor) => Tensor;
}

/**
 * Logits `[R or K, V]`. `tap` sees, and may replace, the value at every hook point. `around` may make another function of
 * each block, such as one that is computed again for its gradient (`checkpointed`).
 */
export function phi(
  weights: PhiWeights,
  config: PhiConfig,
  { ids, positions, attend, logitRows, wholeLastBlock = false, start }: PhiInputs,
  { mode, tap = untouched, around = (block) => block }: PhiOptions,
): Tensor {
  const { heads, headSize, width, layerNormEps: eps } = config;
  const turn = {
    dims: config.rotaryDims,
    theta: config.ropeTheta,
    contextLength: config.contextLength,
  };

  let x = start?.stream ?? tap("hook_embed", takeRows(weights.embedding, ids)); // [R, D]

  const through = ({ norm, projections, dense, mlp }: PhiBlock, l: number, x: Tensor): Tensor => {
    const block = `blocks.${l}` as const;
    x = tap(`${block}.hook_resid_pre`, x);

    const normalized = normalize(x, eps, `${block}.ln1`, tap); // [R, D]
    let h = tap(`${block}.hook_ln1_out`, affine(normalized, norm)); // [R, D]

    const read = (h: Tensor) => project(h, projections, [heads, headSize]);
    const [q, k, v] = projectCopies({ x, heads, block, tap }, read(h), (x) =>
      read(affine(standardize(x, eps), norm)),
    ); // [R, N, H] each
    const rotQ = tap(
      `${block}.attn.hook_rot_q`,
      rope(tap(`${block}.attn.hook_q`, q), positions, turn),
    );
    const rotK = tap(
      `${block}.attn.hook_rot_k`,
      rope(tap(`${block}.attn.hook_k`, k), positions, turn),
    );
    const values = tap(`${block}.attn.hook_v`, v);
    const z = tap(
      `${block}.attn.hook_z`,
      attend({ q: rotQ, k: rotK, v: values }, { layer: l, tap }),
    );
    let heard = reshape(z, [-1, width]); // [R, N, H] → [R, D]

    // After the last attention no row reads another: only the wanted ones go on.
    if (logitRows !== undefined && !wholeLastBlock && l === weights.blocks.length - 1)
      [x, h, heard] = [takeRows(x, logitRows), takeRows(h, logitRows), takeRows(heard, logitRows)]; // [K, D]

    const attnOut = addedByHeads(heard, { heads, block, tap }, outputOf(dense)); // [R, D]
    let sum = tap(`${block}.hook_attn_out`, attnOut);

    if (mlp !== undefined) {
      const mlpIn = tap.wants(`${block}.hook_mlp_in`) ? tap(`${block}.hook_mlp_in`, x) : x;
      if (mlpIn !== x) h = affine(standardize(mlpIn, eps), norm);
      const pre = tap(`${block}.mlp.hook_pre`, apply(mlp.fc1, h)); // [R, F]
      const post = tap(`${block}.mlp.hook_post`, mode === "fast" ? geluFast(pre) : gelu(pre));
      sum = add(sum, tap(`${block}.hook_mlp_out`, apply(mlp.fc2, post))); // [R, D]
    }
    return tap(`${block}.hook_resid_post`, add(x, sum));
  };
  weights.blocks.forEach((block, l) => {
    if (l >= (start?.layer ?? 0)) x = around((y) => through(block, l, y))(x);
  });

  if (logitRows !== undefined && wholeLastBlock) x = takeRows(x, logitRows); // [K, D]
  const normalized = normalize(x, eps, "ln_final", tap);
  const last = tap("hook_ln_final_out", affine(normalized, weights.finalNorm));
  return tap("hook_logits", apply(weights.head, last)); // [K, V]
}

function apply({ weight, bias, lora }: Linear, x: Tensor): Tensor {
  return adapted(linear(x, weight, bias), x, lora);
}

/** The output projection as a whole, and of single heads, to whose sum its bias is added once. */
function outputOf(dense: Linear): Parameters<typeof addedByHeads>[2] {
  const { weight, bias, lora } = dense;
  const { dora, ...plain } = lora ?? {};
  const part = (z: Tensor): Tensor => {
    const y = adapted(linear(z, weight), z, lora && (plain as LowRank));
    return dora === undefined ? y : mul(y, dora.gain); // DoRA's shift is of the bias alone
  };
  return { whole: (z) => apply(dense, z), part, bias };
}

function affine(x: Tensor, { weight, bias }: Norm): Tensor {
  return add(mul(x, weight), bias);
}

/** (x − mean) / √(variance + eps), in one operation unless the scale itself is wanted. */
function normalize(
  x: Tensor,
  eps: number,
  at: `blocks.${number}.ln1` | "ln_final",
  tap: Tap,
): Tensor {
  if (!tap.wants(`${at}.hook_scale`)) return tap(`${at}.hook_normalized`, standardize(x, eps));
  const centred = sub(x, meanLast(x)); // [R, D]
  const deviation = tap(`${at}.hook_scale`, sqrt(scale(meanLast(sqr(centred)), 1, eps))); // [R, 1]
  return tap(`${at}.hook_normalized`, div(centred, deviation));
}

/** Queries, keys and values, `[R, N, H]` each. */
function project(
  h: Tensor,
  projections: Projections,
  [heads, headSize]: [heads: number, headSize: number],
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
