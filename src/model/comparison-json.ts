/** config.json of the models that Phi is compared with: GPT-2, Llama and Mistral, as transformers writes it. */
import { z } from "zod";
import { checkObject } from "../base/schema.ts";
import {
  common,
  count,
  optionalNumber,
  refuseFeatures,
  rope,
  ropeScaling,
  tokenIds,
} from "./config-huggingface.ts";
import type { ComparisonConfig, Gpt2Config, LlamaConfig } from "./model-config.ts";

const gpt2 = common.extend({
  n_embd: count,
  n_layer: count,
  n_head: count,
  n_positions: count,
  n_inner: count.nullish(),
  layer_norm_epsilon: z.number(),
  activation_function: z.string(),
  scale_attn_weights: z.boolean().nullish(),
  scale_attn_by_inverse_layer_idx: z.boolean().nullish(),
  add_cross_attention: z.boolean().nullish(),
});

const llama = common.extend({
  hidden_size: count,
  intermediate_size: count,
  num_hidden_layers: count,
  num_attention_heads: count,
  num_key_value_heads: count.nullish(),
  head_dim: count.nullish(),
  max_position_embeddings: count,
  rms_norm_eps: z.number(),
  hidden_act: z.string(),
  attention_bias: z.boolean().nullish(),
  mlp_bias: z.boolean().nullish(),
  rope_theta: optionalNumber,
  rope_parameters: rope.nullish(),
  rope_scaling: rope.nullish(),
  sliding_window: count.nullish(),
});

/** Transformers' own, where the file names none. */
const DEFAULT_ROPE_THETA = 10_000;

/** The configuration, not yet checked for values that fit together; undefined for other architectures. */
export function fromComparisonJson(json: unknown, what: string): ComparisonConfig | undefined {
  const type = z.object({ model_type: z.string().nullish() }).safeParse(json).data?.model_type;
  const about = { what, code: "corrupt_file" } as const;
  if (type === "gpt2") return fromGpt2(checkObject(gpt2, json, about), what);
  if (type === "llama" || type === "mistral")
    return fromLlama(checkObject(llama, json, about), what);
  return undefined;
}

function fromGpt2(json: z.output<typeof gpt2>, what: string): Gpt2Config {
  const { n_embd: width, n_head: heads, activation_function: activation } = json;
  refuseFeatures(what, {
    [`the activation ${activation}`]: !["gelu_new", "gelu_pytorch_tanh"].includes(activation),
    "attention that is not scaled (scale_attn_weights)": json.scale_attn_weights === false,
    scale_attn_by_inverse_layer_idx: json.scale_attn_by_inverse_layer_idx === true,
    "attention to another text (add_cross_attention)": json.add_cross_attention === true,
    "a head of its own (tie_word_embeddings)": json.tie_word_embeddings === false,
    ...foreignQuantization(json),
  });
  return {
    architecture: "gpt2",
    layers: json.n_layer,
    heads,
    headSize: width / heads,
    width,
    mlpWidth: json.n_inner ?? 4 * width,
    vocabSize: json.vocab_size,
    contextLength: json.n_positions,
    layerNormEps: json.layer_norm_epsilon,
    ...tokenIds(json, what),
  };
}

function fromLlama(json: z.output<typeof llama>, what: string): LlamaConfig {
  const { hidden_size: width, num_attention_heads: heads, hidden_act: activation } = json;
  const headSize = width / heads;
  const scaling = ropeScaling(json);
  refuseFeatures(what, {
    [`the activation ${activation}`]: activation !== "silu",
    [`RoPE scaling "${scaling}"`]: scaling !== undefined,
    [`head_dim ${json.head_dim} of ${heads} heads at width ${width}`]:
      (json.head_dim ?? headSize) !== headSize,
    "biases of attention (attention_bias)": json.attention_bias === true,
    "biases of the MLP (mlp_bias)": json.mlp_bias === true,
    ...foreignQuantization(json),
  });
  return {
    architecture: "llama",
    layers: json.num_hidden_layers,
    heads,
    keyValueHeads: json.num_key_value_heads ?? heads,
    headSize,
    width,
    mlpWidth: json.intermediate_size,
    vocabSize: json.vocab_size,
    // Inside the window, attention is that of a model without one.
    contextLength: Math.min(json.max_position_embeddings, json.sliding_window ?? Infinity),
    ropeTheta: json.rope_parameters?.rope_theta ?? json.rope_theta ?? DEFAULT_ROPE_THETA,
    rmsNormEps: json.rms_norm_eps,
    tiedHead: json.tie_word_embeddings ?? false,
    ...tokenIds(json, what),
  };
}

function foreignQuantization(json: z.output<typeof common>): Record<string, boolean> {
  return {
    "weights quantised by another program (quantization_config)":
      json.quantization_config !== undefined && json.quantization_config !== null,
  };
}
