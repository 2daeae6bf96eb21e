/** Parameters of GPT-2 and Llama, by their Hugging Face names, arranged for their forward passes. */
import { LabError } from "../base/errors.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { Gpt2Weights } from "./gpt2.ts";
import type { Linear, Norm } from "./layers.ts";
import type { LlamaWeights } from "./llama.ts";
import type { ComparisonConfig } from "./model-config.ts";

export function assembleComparison(
  tensors: ReadonlyMap<string, Tensor>,
  config: ComparisonConfig,
): Gpt2Weights | LlamaWeights {
  const get = (name: string): Tensor => {
    const tensor = tensors.get(name);
    if (tensor === undefined) throw new LabError("internal", `internal: no tensor ${name}`);
    return tensor;
  };
  return config.architecture === "gpt2" ? gpt2Weights(get, config) : llamaWeights(get, config);
}

type Get = (name: string) => Tensor;

function gpt2Weights(get: Get, { layers }: ComparisonConfig): Gpt2Weights {
  const pair = (name: string): Linear & Norm => ({
    weight: get(`${name}.weight`),
    bias: get(`${name}.bias`),
  });
  return {
    architecture: "gpt2",
    embedding: get("transformer.wte.weight"),
    positions: get("transformer.wpe.weight"),
    blocks: Array.from({ length: layers }, (_, l) => {
      const at = `transformer.h.${l}`;
      return {
        norm1: pair(`${at}.ln_1`),
        qkv: pair(`${at}.attn.c_attn`),
        dense: pair(`${at}.attn.c_proj`),
        norm2: pair(`${at}.ln_2`),
        fc1: pair(`${at}.mlp.c_fc`),
        fc2: pair(`${at}.mlp.c_proj`),
      };
    }),
    finalNorm: pair("transformer.ln_f"),
    head: get("lm_head.weight"),
  };
}

function llamaWeights(get: Get, { layers }: ComparisonConfig): LlamaWeights {
  return {
    architecture: "llama",
    embedding: get("model.embed_tokens.weight"),
    blocks: Array.from({ length: layers }, (_, l) => {
      const of = (module: string): Tensor => get(`model.layers.${l}.${module}.weight`);
      return {
        norm1: of("input_layernorm"),
        q: of("self_attn.q_proj"),
        k: of("self_attn.k_proj"),
        v: of("self_attn.v_proj"),
        dense: of("self_attn.o_proj"),
        norm2: of("post_attention_layernorm"),
        gate: of("mlp.gate_proj"),
        up: of("mlp.up_proj"),
        down: of("mlp.down_proj"),
      };
    }),
    finalNorm: get("model.norm.weight"),
    head: get("lm_head.weight"),
  };
}
