/**
 * Llama-2, and Mistral as far as its context stays inside the window: the forward pass, top to bottom.
 *
 * A decoder with rotary positions whose blocks run attention, then a gated MLP on what attention has added to (Touvron et al.
 * 2023, arXiv 2302.13971, §2.2), without biases. Groups of heads may share keys and values (Ainslie et al. 2023,
 * arXiv 2305.13245):
 *
 *   x = W_E[ids]
 *   for each block:  x = x + Attn(RMS₁(x));  h = RMS₂(x);  x = x + W_down(silu(W_gate·h) ⊙ W_up·h)
 *   logits = RMS(x) · W_Uᵀ
 *
 * R rows (all tokens of all sequences, one after another), N heads, G heads of keys and values, H head size, D model width,
 * F MLP width, V vocabulary.
 */
import {
  add,
  matmulTransposed,
  mul,
  reshape,
  rmsNorm,
  rope,
  silu,
  takeRows,
} from "../tensor/ops/index.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { untouched, type Tap } from "./hook-points.ts";
import { normalizeRms, outputOf, type ForwardInputs, type ForwardOptions } from "./layers.ts";
import type { LlamaConfig } from "./model-config.ts";
import { addedByHeads, projectCopies } from "./per-head.ts";

export interface LlamaBlock {
  norm1: Tensor; // [D]
  q: Tensor; // [N·H, D]
  k: Tensor; // [G·H, D]
  v: Tensor; // [G·H, D]
  dense: Tensor; // [D, N·H]
  norm2: Tensor; // [D]
  gate: Tensor; // [F, D]
  up: Tensor; // [F, D]
  down: Tensor; // [D, F]
}

export interface LlamaWeights {
  architecture: "llama";
  embedding: Tensor; // [V, D]
  blocks: readonly LlamaBlock[];
  finalNorm: Tensor; // [D]
  head: Tensor; // [V, D]
}

/** Logits `[R or K, V]`. */
export function llama(
  weights: LlamaWeights,
  config: LlamaConfig,
  { ids, positions, attend, logitRows, wholeLastBlock = false, start }: ForwardInputs,
  { tap = untouched }: ForwardOptions,
): Tensor {
  const { heads, keyValueHeads, headSize, width, rmsNormEps: eps } = config;
  const { ropeTheta: theta, contextLength } = config;
  const turn = { dims: headSize, theta, contextLength };
  const last = weights.blocks.length - 1;

  let x = start?.stream ?? tap("hook_embed", takeRows(weights.embedding, ids)); // [R, D]

  weights.blocks.forEach((own, l) => {
    if (l < (start?.layer ?? 0)) return;
    const block = `blocks.${l}` as const;
    x = tap(`${block}.hook_resid_pre`, x);

    const normalized = normalizeRms(x, eps, `${block}.ln1`, tap); // [R, D]
    const h = tap(`${block}.hook_ln1_out`, mul(normalized, own.norm1)); // [R, D]
    const read = (h: Tensor): [Tensor, Tensor, Tensor] => [
      reshape(matmulTransposed(h, own.q), [-1, heads, headSize]), // [R, N, H]
      reshape(matmulTransposed(h, own.k), [-1, keyValueHeads, headSize]), // [R, G, H]
      reshape(matmulTransposed(h, own.v), [-1, keyValueHeads, headSize]),
    ];
    const copies = { x, heads, block, tap };
    const [q, k, v] = projectCopies(copies, read(h), (x) =>
      read(rmsNorm(x, { weight: own.norm1, eps })),
    );
    const rotQ = rope(tap(`${block}.attn.hook_q`, q), positions, turn);
    const rotK = rope(tap(`${block}.attn.hook_k`, k), positions, turn);
    const seen = {
      q: tap(`${block}.attn.hook_rot_q`, rotQ),
      k: tap(`${block}.attn.hook_rot_k`, rotK),
      v: tap(`${block}.attn.hook_v`, v),
    };
    const z = tap(`${block}.attn.hook_z`, attend(seen, { layer: l, tap })); // [R, N, H]
    let heard = reshape(z, [-1, width]); // [R, D]

    // After the last attention no row reads another: only the wanted ones go on.
    if (logitRows !== undefined && !wholeLastBlock && l === last)
      [x, heard] = [takeRows(x, logitRows), takeRows(heard, logitRows)]; // [K, D]

    const output = outputOf({ weight: own.dense });
    const attnOut = addedByHeads(heard, { heads, block, tap }, output); // [R, D]
    x = tap(`${block}.hook_resid_mid`, add(x, tap(`${block}.hook_attn_out`, attnOut)));

    const mlpIn = tap.wants(`${block}.hook_mlp_in`) ? tap(`${block}.hook_mlp_in`, x) : x;
    const between = mul(normalizeRms(mlpIn, eps, `${block}.ln2`, tap), own.norm2);
    const h2 = tap(`${block}.hook_ln2_out`, between); // [R, D]
    const gate = tap(`${block}.mlp.hook_pre`, matmulTransposed(h2, own.gate)); // [R, F]
    const up = tap(`${block}.mlp.hook_pre_linear`, matmulTransposed(h2, own.up)); // [R, F]
    const post = tap(`${block}.mlp.hook_post`, mul(silu(gate), up));
    const mlpOut = tap(`${block}.hook_mlp_out`, matmulTransposed(post, own.down)); // [R, D]
    x = tap(`${block}.hook_resid_post`, add(x, mlpOut));
  });

  if (logitRows !== undefined && wholeLastBlock) x = takeRows(x, logitRows); // [K, D]
  return llamaHead(weights, config, x, tap);
}

/** Final norm and head: `[K, D]` → `[K, V]`. */
export function llamaHead(
  { finalNorm, head }: LlamaWeights,
  { rmsNormEps }: LlamaConfig,
  x: Tensor,
  tap: Tap = untouched,
): Tensor {
  const normalized = normalizeRms(x, rmsNormEps, "ln_final", tap);
  const read = tap("hook_ln_final_out", mul(normalized, finalNorm));
  return tap("hook_logits", matmulTransposed(read, head));
}
