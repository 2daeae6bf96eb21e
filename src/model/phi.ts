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
import { add, gelu, geluFast, reshape, rope, standardize, takeRows } from "../tensor/ops/index.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { PhiConfig } from "./config.ts";
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
  type Projections,
} from "./layers.ts";
import { addedByHeads, projectCopies } from "./per-head.ts";

export interface PhiBlock {
  norm: Norm;
  projections: Projections;
  dense: Linear; // [D, D]
  /** Absent in an attention-only model (`mlpWidth` 0). */
  mlp: { fc1: Linear; fc2: Linear } | undefined; // [F, D], [D, F]
}

export interface PhiWeights {
  architecture?: undefined;
  embedding: Tensor; // [V, D]
  blocks: readonly PhiBlock[];
  finalNorm: Norm;
  head: Linear; // [V, D]
}

export interface PhiOptions extends ForwardOptions {
  around?: (block: (x: Tensor) => Tensor) => (x: Tensor) => Tensor;
}

/**
 * Logits `[R or K, V]`. `tap` sees, and may replace, the value at every hook point. `around` may make another function of
 * each block, such as one that is computed again for its gradient (`checkpointed`).
 */
export function phi(
  weights: PhiWeights,
  config: PhiConfig,
  { ids, positions, attend, logitRows, wholeLastBlock = false, start }: ForwardInputs,
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

    const read = (h: Tensor) => project(h, projections, { heads, headSize });
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
  return phiHead(weights, config, x, tap);
}

/** Final norm and head: `[K, D]` → `[K, V]`. */
export function phiHead(
  { finalNorm, head }: PhiWeights,
  { layerNormEps }: PhiConfig,
  x: Tensor,
  tap: Tap = untouched,
): Tensor {
  const normalized = normalize(x, layerNormEps, "ln_final", tap);
  const last = tap("hook_ln_final_out", affine(normalized, finalNorm));
  return tap("hook_logits", apply(head, last));
}
