/**
 * GPT-2: the forward pass, top to bottom.
 *
 * A decoder with learned positions whose blocks run attention, then the MLP on what attention has added to (Radford et al.
 * 2019, Language Models are Unsupervised Multitask Learners, §2.3); the head is the embedding:
 *
 *   x = W_E[ids] + W_P[positions]
 *   for each block:  x = x + Attn(LN₁(x));  x = x + MLP(LN₂(x))
 *   logits = LN(x) · W_Eᵀ
 *
 * R rows (all tokens of all sequences, one after another), N heads, H head size, D model width, F MLP width, V vocabulary.
 */
import {
  add,
  gelu,
  geluFast,
  matmulTransposed,
  reshape,
  standardize,
  takeRows,
} from "../tensor/ops/index.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { untouched, type Tap } from "./hook-points.ts";
import {
  affine,
  apply,
  normalize,
  outputOf,
  project,
  type ForwardInputs,
  type ForwardOptions,
  type Linear,
  type Norm,
} from "./layers.ts";
import type { Gpt2Config } from "./model-config.ts";
import { addedByHeads, projectCopies } from "./per-head.ts";

export interface Gpt2Block {
  norm1: Norm;
  qkv: Linear; // [3·D, D]: all queries, all keys, all values
  dense: Linear; // [D, D]
  norm2: Norm;
  fc1: Linear; // [F, D]
  fc2: Linear; // [D, F]
}

export interface Gpt2Weights {
  architecture: "gpt2";
  embedding: Tensor; // [V, D]
  positions: Tensor; // [C, D]
  blocks: readonly Gpt2Block[];
  finalNorm: Norm;
  head: Tensor; // [V, D], the embedding
}

/** Logits `[R or K, V]`. */
export function gpt2(
  weights: Gpt2Weights,
  config: Gpt2Config,
  { ids, positions, attend, logitRows, wholeLastBlock = false, start }: ForwardInputs,
  { mode, tap = untouched }: ForwardOptions,
): Tensor {
  const { heads, width, layerNormEps: eps } = config;
  const last = weights.blocks.length - 1;

  let x =
    start?.stream ??
    add(
      tap("hook_embed", takeRows(weights.embedding, ids)),
      tap("hook_pos_embed", takeRows(weights.positions, positions)),
    ); // [R, D]

  weights.blocks.forEach(({ norm1, qkv, dense, norm2, fc1, fc2 }, l) => {
    if (l < (start?.layer ?? 0)) return;
    const block = `blocks.${l}` as const;
    x = tap(`${block}.hook_resid_pre`, x);

    const normalized = normalize(x, eps, `${block}.ln1`, tap); // [R, D]
    const h = tap(`${block}.hook_ln1_out`, affine(normalized, norm1)); // [R, D]
    const read = (h: Tensor) => project(h, { qkv }, config);
    const copies = { x, heads, block, tap };
    const [q, k, v] = projectCopies(copies, read(h), (x) =>
      read(affine(standardize(x, eps), norm1)),
    ); // [R, N, H] each
    const seen = {
      q: tap(`${block}.attn.hook_q`, q),
      k: tap(`${block}.attn.hook_k`, k),
      v: tap(`${block}.attn.hook_v`, v),
    };
    const z = tap(`${block}.attn.hook_z`, attend(seen, { layer: l, tap }));
    let heard = reshape(z, [-1, width]); // [R, N, H] → [R, D]

    // After the last attention no row reads another: only the wanted ones go on.
    if (logitRows !== undefined && !wholeLastBlock && l === last)
      [x, heard] = [takeRows(x, logitRows), takeRows(heard, logitRows)]; // [K, D]

    const attnOut = addedByHeads(heard, { heads, block, tap }, outputOf(dense)); // [R, D]
    x = tap(`${block}.hook_resid_mid`, add(x, tap(`${block}.hook_attn_out`, attnOut)));

    const mlpIn = tap.wants(`${block}.hook_mlp_in`) ? tap(`${block}.hook_mlp_in`, x) : x;
    const between = normalize(mlpIn, eps, `${block}.ln2`, tap); // [R, D]
    const pre = tap(
      `${block}.mlp.hook_pre`,
      apply(fc1, tap(`${block}.hook_ln2_out`, affine(between, norm2))),
    ); // [R, F]
    const post = tap(`${block}.mlp.hook_post`, mode === "fast" ? geluFast(pre) : gelu(pre));
    const mlpOut = tap(`${block}.hook_mlp_out`, apply(fc2, post)); // [R, D]
    x = tap(`${block}.hook_resid_post`, add(x, mlpOut));
  });

  if (logitRows !== undefined && wholeLastBlock) x = takeRows(x, logitRows); // [K, D]
  return gpt2Head(weights, config, x, tap);
}

/** Final norm and head: `[K, D]` → `[K, V]`. */
export function gpt2Head(
  { finalNorm, head }: Gpt2Weights,
  { layerNormEps }: Gpt2Config,
  x: Tensor,
  tap: Tap = untouched,
): Tensor {
  const normalized = normalize(x, layerNormEps, "ln_final", tap);
  const read = tap("hook_ln_final_out", affine(normalized, finalNorm));
  return tap("hook_logits", matmulTransposed(read, head));
}
