/** `gpt2.*` and `llama.*` metadata in GGUF files, as llama.cpp's converter writes it. Mistral is `llama` there, too. */
import { corrupt } from "../checkpoint/corrupt.ts";
import { ggufInteger, ggufNumber, ggufString, ggufStrings } from "../checkpoint/gguf-values.ts";
import type { GgufCheckpoint } from "../checkpoint/types.ts";
import { shortest } from "./config-gguf.ts";
import { refuseFeatures } from "./config-huggingface.ts";
import type { ComparisonConfig } from "./model-config.ts";

/** llama.cpp's value where the file names none. */
const DEFAULT_ROPE_THETA = 10_000;

/** The configuration, not yet checked for values that fit together; undefined for other architectures. */
export function fromComparisonGguf(checkpoint: GgufCheckpoint): ComparisonConfig | undefined {
  const { path, metadata, tensors } = checkpoint;
  const architecture = ggufString(metadata, "general.architecture");
  if (architecture !== "gpt2" && architecture !== "llama") return undefined;
  const key = (name: string): string => `${architecture}.${name}`;
  const optional = (name: string): number | undefined => ggufInteger(metadata, key(name));
  const required = <T>(name: string, value: T | undefined): T => {
    if (value === undefined) throw corrupt(path, `the metadata has no ${key(name)}`);
    return value;
  };
  const integer = (name: string): number => required(name, optional(name));
  const number = (name: string): number =>
    shortest(required(name, ggufNumber(metadata, key(name))));

  const heads = integer("attention.head_count");
  const width = integer("embedding_length");
  const bosTokenId = ggufInteger(metadata, "tokenizer.ggml.bos_token_id");
  const eosTokenId = ggufInteger(metadata, "tokenizer.ggml.eos_token_id");
  const shape = {
    layers: integer("block_count"),
    heads,
    headSize: width / heads,
    width,
    mlpWidth: integer("feed_forward_length"),
    vocabSize:
      optional("vocab_size") ??
      ggufStrings(metadata, "tokenizer.ggml.tokens")?.length ??
      tensors.get("token_embd.weight")?.shape[0] ??
      0,
    contextLength: integer("context_length"),
    ...(bosTokenId === undefined ? {} : { bosTokenId }),
    ...(eosTokenId === undefined ? {} : { eosTokenId }),
  };
  if (architecture === "gpt2")
    return { architecture, ...shape, layerNormEps: number("attention.layer_norm_epsilon") };

  const scaling = ggufString(metadata, key("rope.scaling.type")) ?? "none";
  const rotary = optional("rope.dimension_count") ?? shape.headSize;
  const experts = optional("expert_count") ?? 0;
  refuseFeatures(path, {
    [`RoPE scaling "${scaling}"`]: scaling !== "none",
    [`rotation of ${rotary} of ${shape.headSize} values`]: rotary !== shape.headSize,
    [`${experts} experts`]: experts > 0,
    "factors for its rotation (rope_freqs.weight)": tensors.has("rope_freqs.weight"),
  });
  const window = optional("attention.sliding_window") ?? 0;
  return {
    architecture,
    ...shape,
    contextLength: window > 0 ? Math.min(shape.contextLength, window) : shape.contextLength,
    keyValueHeads: optional("attention.head_count_kv") ?? heads,
    ropeTheta: shortest(ggufNumber(metadata, key("rope.freq_base")) ?? DEFAULT_ROPE_THETA),
    rmsNormEps: number("attention.layer_norm_rms_epsilon"),
    tiedHead: !tensors.has("output.weight"),
  };
}
