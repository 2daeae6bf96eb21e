/**
 * The places in a forward pass where a value can be read or replaced, under TransformerLens's names; `hooks/names.ts`
 * has their shapes and the other names that are understood.
 *
 * Phi's parallel block has no `hook_resid_mid`: attention and MLP both read `hook_resid_pre`. Blocks of GPT-2 and Llama have one,
 * and a norm of their own behind it.
 */
import type { Tensor } from "../tensor/tensor.ts";

type InAttention =
  | "hook_q"
  | "hook_k"
  | "hook_v"
  | "hook_rot_q"
  | "hook_rot_k"
  | "hook_attn_scores"
  | "hook_pattern"
  | "hook_z"
  | "hook_result";
type Copies = "hook_attn_in" | "hook_q_input" | "hook_k_input" | "hook_v_input" | "hook_mlp_in";
/** In blocks whose MLP reads what attention has added to. */
export type InSequentialBlock =
  | "hook_resid_mid"
  | "ln2.hook_scale"
  | "ln2.hook_normalized"
  | "hook_ln2_out"
  | "mlp.hook_pre_linear";
export type InPhiBlock =
  | "hook_resid_pre"
  | Copies
  | "ln1.hook_scale"
  | "ln1.hook_normalized"
  | "hook_ln1_out"
  | `attn.${InAttention}`
  | "hook_attn_out"
  | "mlp.hook_pre"
  | "mlp.hook_post"
  | "hook_mlp_out"
  | "hook_resid_post";
export type InBlock = InPhiBlock | InSequentialBlock;

export type HookPoint =
  | "hook_embed"
  | "hook_pos_embed"
  | `blocks.${number}.${InBlock}`
  | "ln_final.hook_scale"
  | "ln_final.hook_normalized"
  | "hook_ln_final_out"
  | "hook_logits";

/** What a tap may need to know about a value beside its place. */
export interface About {
  /** Of scores and pattern that are made for one sequence at a time: which of the batch it is. */
  sequence?: number;
  /** Of `hook_result`: what one head adds, `[R, D]`, for who does not want those of all heads in memory together. */
  head?: (head: number) => Tensor;
}

/**
 * Called with every value of a forward pass; what it returns is used in its place. Values of optional hooks (`hook_result`
 * and the copies of the residual stream) are only made where the tap wants them, and used where it changes them.
 */
export interface Tap {
  (point: HookPoint, value: Tensor, about?: About): Tensor;
  /** Whether the value at `point` is of interest: some are only computed then, and fused operations taken apart. */
  wants(point: HookPoint): boolean;
}

/** Reads nothing and changes nothing. */
export const untouched: Tap = Object.assign((_: HookPoint, value: Tensor) => value, {
  wants: () => false,
});
