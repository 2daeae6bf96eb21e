/** Other names of hooks than their own: those of TransformerLens's Bridge, and the shorthands of its `get_act_name`. */
import type { HookPoint, InBlock } from "../hook-points.ts";

/** Other names inside a block: those of TransformerLens's Bridge, and `ln2`, which Phi shares with `ln1`. */
export const BLOCK_ALIASES = {
  hook_in: "hook_resid_pre",
  hook_out: "hook_resid_post",
  "ln1.hook_in": "hook_resid_pre",
  "ln1.hook_out": "hook_ln1_out",
  "ln2.hook_scale": "ln1.hook_scale",
  "ln2.hook_normalized": "ln1.hook_normalized",
  "attn.hook_in": "hook_ln1_out",
  "attn.hook_out": "hook_attn_out",
  "attn.q.hook_in": "hook_ln1_out",
  "attn.k.hook_in": "hook_ln1_out",
  "attn.v.hook_in": "hook_ln1_out",
  "attn.q.hook_out": "attn.hook_q",
  "attn.k.hook_out": "attn.hook_k",
  "attn.v.hook_out": "attn.hook_v",
  "attn.o.hook_in": "attn.hook_z",
  "attn.o.hook_out": "hook_attn_out",
  "mlp.hook_in": "hook_ln1_out",
  "mlp.hook_out": "hook_mlp_out",
  "mlp.in.hook_in": "hook_ln1_out",
  "mlp.in.hook_out": "mlp.hook_pre",
  "mlp.out.hook_in": "mlp.hook_post",
  "mlp.out.hook_out": "hook_mlp_out",
} as const satisfies Record<string, InBlock>;

/** Where blocks with a second norm mean another hook by them. */
export const SEQUENTIAL_ALIASES = {
  "ln2.hook_in": "hook_resid_mid",
  "ln2.hook_out": "hook_ln2_out",
  "mlp.hook_in": "hook_ln2_out",
  "mlp.in.hook_in": "hook_ln2_out",
} as const satisfies Record<string, InBlock>;

/** Other names outside the blocks. `ln_final.hook_in` is the last block's `hook_resid_post`. */
export const OUTER_ALIASES = {
  "embed.hook_out": "hook_embed",
  "ln_final.hook_in": "blocks.-1.hook_resid_post",
  "ln_final.hook_out": "hook_ln_final_out",
  "unembed.hook_in": "hook_ln_final_out",
  "unembed.hook_out": "hook_logits",
  hook_unembed: "hook_logits",
  logits: "hook_logits",
  embed: "hook_embed",
  scale: "ln_final.hook_scale",
  normalized: "ln_final.hook_normalized",
} as const satisfies Record<string, HookPoint>;

/** The words of TransformerLens's `get_act_name`, to be followed by a layer. */
export const SHORTHANDS = {
  q: "attn.hook_q",
  query: "attn.hook_q",
  k: "attn.hook_k",
  key: "attn.hook_k",
  v: "attn.hook_v",
  value: "attn.hook_v",
  rot_q: "attn.hook_rot_q",
  rot_k: "attn.hook_rot_k",
  attn_scores: "attn.hook_attn_scores",
  attn_logits: "attn.hook_attn_scores",
  pattern: "attn.hook_pattern",
  attn: "attn.hook_pattern",
  z: "attn.hook_z",
  result: "attn.hook_result",
  pre: "mlp.hook_pre",
  mlp_pre: "mlp.hook_pre",
  post: "mlp.hook_post",
  mlp_post: "mlp.hook_post",
  resid_pre: "hook_resid_pre",
  resid_post: "hook_resid_post",
  attn_out: "hook_attn_out",
  mlp_out: "hook_mlp_out",
  attn_in: "hook_attn_in",
  q_input: "hook_q_input",
  k_input: "hook_k_input",
  v_input: "hook_v_input",
  mlp_in: "hook_mlp_in",
  ln1_out: "hook_ln1_out",
} as const satisfies Record<string, InBlock>;

/** Those of blocks with a second norm. */
export const SEQUENTIAL_SHORTHANDS = {
  resid_mid: "hook_resid_mid",
  ln2_out: "hook_ln2_out",
  pre_linear: "mlp.hook_pre_linear",
} as const satisfies Record<string, InBlock>;
