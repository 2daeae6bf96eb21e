/**
 * Phi's config.json: today's form (transformers 4.37 and later, before and after `rope_parameters`), and that of
 * Microsoft's own code before (`mixformer-sequential`, `phi-msft`).
 */
import { z } from "zod";
import { LabError } from "../base/errors.ts";
import { checkObject } from "../base/schema.ts";
import type { DType } from "../engine/dtypes.ts";
import type { PhiConfig } from "./config.ts";

export const count = z.int().min(0);
export const optionalNumber = z.number().nullish();
const tokenId = z.union([z.int(), z.array(z.int())]).nullish();

/** Fields that change what the model computes, in every layout; the rest of the file concerns training or Python. */
export const common = z.object({
  vocab_size: count,
  bos_token_id: tokenId,
  eos_token_id: tokenId,
  tie_word_embeddings: z.boolean().nullish(),
  quantization_config: z.unknown().optional(),
});

export const rope = z.object({
  rope_type: z.string().nullish(),
  type: z.string().nullish(),
  rope_theta: optionalNumber,
  partial_rotary_factor: optionalNumber,
});

const current = common.extend({
  hidden_size: count,
  intermediate_size: count,
  num_hidden_layers: count,
  num_attention_heads: count,
  num_key_value_heads: count.nullish(),
  head_dim: count.nullish(),
  max_position_embeddings: count,
  layer_norm_eps: z.number(),
  hidden_act: z.string(),
  qk_layernorm: z.boolean().nullish(),
  partial_rotary_factor: optionalNumber,
  rope_theta: optionalNumber,
  rope_parameters: rope.nullish(),
  rope_scaling: rope.nullish(),
});

const legacy = common.extend({
  n_embd: count,
  n_layer: count,
  n_head: count,
  n_head_kv: count.nullish(),
  n_inner: count.nullish(),
  n_positions: count,
  rotary_dim: count,
  layer_norm_epsilon: z.number(),
  activation_function: z.string(),
});

/** `gelu_pytorch_tanh` is the same function under another name. */
const ACTIVATIONS = ["gelu_new", "gelu_pytorch_tanh"];

/** Microsoft's own code had no such setting. */
const LEGACY_ROPE_THETA = 10_000;

/** The configuration that the parsed config.json `json` describes, not yet checked for values that fit together. */
export function fromHuggingFace(json: unknown, what: string): PhiConfig {
  const type = z.object({
    model_type: z.string().nullish(),
    architectures: z.array(z.string()).nullish(),
  });
  const { model_type: modelType, architectures } = checkObject(type, json, {
    what,
    code: "corrupt_file",
  });
  switch (modelType) {
    case "phi":
      return fromCurrent(checkObject(current, json, { what, code: "corrupt_file" }), what);
    case "phi-msft":
    case "mixformer-sequential":
      return fromLegacy(checkObject(legacy, json, { what, code: "corrupt_file" }), what);
    default:
      throw new LabError(
        "unsupported",
        `${what} is of the architecture ${[modelType ?? "unknown", ...(architectures ?? [])].join(" / ")}`,
        {
          hint: "philab runs Phi-1, Phi-1.5 and Phi-2 (phi, phi-msft, mixformer-sequential). GPT-2, Llama-2 and Mistral it runs only: no training, adapters or conversion.",
        },
      );
  }
}

function fromCurrent(json: z.output<typeof current>, what: string): PhiConfig {
  const { hidden_size: width, num_attention_heads: heads, rope_parameters: parameters } = json;
  const headSize = width / heads;
  const scaling = ropeScaling(json);
  refuseFeatures(what, {
    qk_layernorm: json.qk_layernorm === true,
    [`RoPE scaling "${scaling}"`]: scaling !== undefined,
    [`${json.num_key_value_heads} key-value heads for ${heads} heads`]:
      (json.num_key_value_heads ?? heads) !== heads,
    [`head_dim ${json.head_dim} of ${heads} heads at width ${width}`]:
      (json.head_dim ?? headSize) !== headSize,
    ...refusals(json, json.hidden_act),
  });
  const agreed = (field: "rope_theta" | "partial_rotary_factor"): number => {
    const [value, other] = [parameters?.[field] ?? [], json[field] ?? []].flat();
    if (value !== undefined && (other ?? value) === value) return value;
    const finding =
      value === undefined ? `no ${field}` : `two values of ${field}: ${value} and ${other}`;
    throw new LabError("corrupt_file", `${what} has ${finding}`);
  };
  return {
    layers: json.num_hidden_layers,
    heads,
    headSize,
    width,
    mlpWidth: json.intermediate_size,
    vocabSize: json.vocab_size,
    contextLength: json.max_position_embeddings,
    rotaryDims: Math.trunc(headSize * agreed("partial_rotary_factor")),
    ropeTheta: agreed("rope_theta"),
    layerNormEps: json.layer_norm_eps,
    ...tokenIds(json, what),
  };
}

function fromLegacy(json: z.output<typeof legacy>, what: string): PhiConfig {
  const { n_embd: width, n_head: heads } = json;
  refuseFeatures(what, {
    [`${json.n_head_kv} key-value heads for ${heads} heads`]: (json.n_head_kv ?? heads) !== heads,
    ...refusals(json, json.activation_function),
  });
  return {
    layers: json.n_layer,
    heads,
    headSize: width / heads,
    width,
    mlpWidth: json.n_inner ?? 4 * width,
    vocabSize: json.vocab_size,
    contextLength: json.n_positions,
    rotaryDims: json.rotary_dim,
    ropeTheta: LEGACY_ROPE_THETA,
    layerNormEps: json.layer_norm_epsilon,
    ...tokenIds(json, what),
  };
}

function refusals(json: z.output<typeof common>, activation: string): Record<string, boolean> {
  return {
    "tied embeddings (tie_word_embeddings)": json.tie_word_embeddings === true,
    [`the activation ${activation}`]: !ACTIVATIONS.includes(activation),
    "weights quantised by another program (quantization_config)":
      json.quantization_config !== undefined && json.quantization_config !== null,
  };
}

/** A rule for positions beyond those of training; undefined where there is none. */
export function ropeScaling(json: {
  [field in "rope_parameters" | "rope_scaling"]?: z.output<typeof rope> | null | undefined;
}): string | undefined {
  return [json.rope_parameters, json.rope_scaling]
    .map((settings) => settings?.rope_type ?? settings?.type ?? "default")
    .find((kind) => kind !== "default");
}

/** Throws `unsupported` for all features that apply at once. */
export function refuseFeatures(what: string, features: Record<string, boolean>): void {
  const found = Object.keys(features).filter((name) => features[name]);
  if (found.length === 0) return;
  throw new LabError("unsupported", `${what} asks for ${found.join(", ")}: not supported`, {
    hint: "Phi-1, Phi-1.5, Phi-2, GPT-2, Llama-2 and Mistral have none of it.",
  });
}

export function tokenIds(
  json: z.output<typeof common>,
  what: string,
): { bosTokenId?: number; eosTokenId?: number } {
  const single = (field: "bos_token_id" | "eos_token_id"): number | undefined => {
    const ids = [json[field] ?? []].flat();
    if (ids.length > 1)
      throw new LabError(
        "unsupported",
        `${what} has several tokens as ${field}: ${ids.join(", ")}`,
      );
    return ids[0];
  };
  const [bosTokenId, eosTokenId] = [single("bos_token_id"), single("eos_token_id")];
  return {
    ...(bosTokenId === undefined ? {} : { bosTokenId }),
    ...(eosTokenId === undefined ? {} : { eosTokenId }),
  };
}

const TORCH_TYPES: Partial<Record<DType, string>> = {
  f32: "float32",
  f16: "float16",
  bf16: "bfloat16",
};

/** What an earlier config.json may say beyond the model's shape: it matters for training, and is kept. */
const kept = z.object({
  attention_dropout: optionalNumber,
  embd_pdrop: optionalNumber,
  resid_pdrop: optionalNumber,
  initializer_range: optionalNumber,
  pad_token_id: z.int().nullish(),
});

/**
 * A config.json for transformers' `PhiForCausalLM`, readable by version 4.37 and by all later ones.
 *
 * @param options.dtype - element type of the matrices
 * @param options.previous - an earlier config.json whose dropout rates and initialisation are kept
 */
export function toHuggingFace(
  config: PhiConfig,
  { dtype, previous }: { dtype: DType; previous?: unknown },
): Record<string, unknown> {
  const factor = partialRotaryFactor(config);
  const { ropeTheta } = config;
  const torchType = TORCH_TYPES[dtype];
  return {
    architectures: ["PhiForCausalLM"],
    model_type: "phi",
    attention_dropout: 0,
    embd_pdrop: 0,
    resid_pdrop: 0,
    initializer_range: 0.02,
    pad_token_id: null,
    ...definedFields(kept.safeParse(previous).data),
    bos_token_id: config.bosTokenId ?? null,
    eos_token_id: config.eosTokenId ?? null,
    hidden_act: "gelu_new",
    hidden_size: config.width,
    intermediate_size: config.mlpWidth,
    layer_norm_eps: config.layerNormEps,
    max_position_embeddings: config.contextLength,
    num_attention_heads: config.heads,
    num_hidden_layers: config.layers,
    num_key_value_heads: config.heads,
    partial_rotary_factor: factor,
    qk_layernorm: false,
    rope_parameters: { partial_rotary_factor: factor, rope_theta: ropeTheta, rope_type: "default" },
    rope_theta: ropeTheta,
    tie_word_embeddings: false,
    ...(torchType === undefined ? {} : { dtype: torchType, torch_dtype: torchType }),
    use_cache: true,
    vocab_size: config.vocabSize,
  };
}

/** Readers truncate headSize × factor (transformers) or width × factor (llama.cpp's converter): never one too few. */
function partialRotaryFactor({ rotaryDims, headSize, heads, width }: PhiConfig): number {
  let factor = rotaryDims / headSize;
  while (
    Math.trunc(headSize * factor) < rotaryDims ||
    Math.trunc(width * factor) < rotaryDims * heads
  )
    factor *= 1 + Number.EPSILON;
  return factor;
}

function definedFields(fields: Record<string, unknown> = {}): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(fields).filter(([, v]) => v !== undefined && v !== null),
  );
}
