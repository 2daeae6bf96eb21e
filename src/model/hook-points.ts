/**
 * The places in a forward pass where a value can be read or replaced, under TransformerLens's names.
 * A parallel block has no `hook_resid_mid`: attention and MLP both read `hook_resid_pre`.
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
  | "hook_z";
type InBlock =
  | "hook_resid_pre"
  | "ln1.hook_scale"
  | "ln1.hook_normalized"
  | "hook_ln1_out"
  | `attn.${InAttention}`
  | "hook_attn_out"
  | "mlp.hook_pre"
  | "mlp.hook_post"
  | "hook_mlp_out"
  | "hook_resid_post";

export type HookPoint =
  | "hook_embed"
  | `blocks.${number}.${InBlock}`
  | "ln_final.hook_scale"
  | "ln_final.hook_normalized"
  | "hook_logits";

/** Called with every value of a forward pass; what it returns is used in its place. */
export interface Tap {
  (point: HookPoint, value: Tensor): Tensor;
  /** Whether the value at `point` is of interest: some are only computed then, and fused operations taken apart. */
  wants(point: HookPoint): boolean;
}

/** Reads nothing and changes nothing. */
export const untouched: Tap = Object.assign((_: HookPoint, value: Tensor) => value, {
  wants: () => false,
});
