/** Phi's `phi2.*` metadata in GGUF files, as llama.cpp reads and its converter writes it for Phi-1, 1.5 and 2 alike. */
import { LabError } from "../base/errors.ts";
import { corrupt } from "../checkpoint/corrupt.ts";
import {
  ggufInteger,
  ggufNumber,
  ggufString,
  ggufStrings,
  ggufValue,
} from "../checkpoint/gguf-values.ts";
import type { GgufCheckpoint, GgufValue } from "../checkpoint/types.ts";
import type { PhiConfig } from "./config.ts";

export const GGUF_ARCHITECTURE = "phi2";

/** llama.cpp's value where the file names none. */
const DEFAULT_ROPE_THETA = 10_000;

const key = (name: string) => `${GGUF_ARCHITECTURE}.${name}`;

/** The configuration that the metadata of a GGUF file describes, not yet checked for values that fit together. */
export function fromGgufMetadata({ path, metadata, tensors }: GgufCheckpoint): PhiConfig {
  const architecture = ggufString(metadata, "general.architecture");
  if (architecture !== GGUF_ARCHITECTURE)
    throw new LabError(
      "unsupported",
      `${path} is of the architecture ${architecture ?? "unknown"}`,
      {
        hint: `philab runs Phi-1, Phi-1.5 and Phi-2, which are ${GGUF_ARCHITECTURE} in GGUF files; gpt2 and llama it runs only: no adapters or conversion.`,
      },
    );
  const integer = (name: string): number => {
    const value = ggufInteger(metadata, key(name));
    if (value === undefined) throw corrupt(path, `the metadata has no ${key(name)}`);
    return value;
  };
  const heads = integer("attention.head_count");
  const width = integer("embedding_length");
  const headSize = width / heads;
  refuseFeatures({ path, metadata }, heads);
  const epsilon = ggufNumber(metadata, key("attention.layer_norm_epsilon"));
  if (epsilon === undefined)
    throw corrupt(path, `the metadata has no ${key("attention.layer_norm_epsilon")}`);
  const vocabSize =
    ggufInteger(metadata, key("vocab_size")) ??
    ggufStrings(metadata, "tokenizer.ggml.tokens")?.length ??
    tensors.get("token_embd.weight")?.shape[0] ??
    0;
  const bosTokenId = ggufInteger(metadata, "tokenizer.ggml.bos_token_id");
  const eosTokenId = ggufInteger(metadata, "tokenizer.ggml.eos_token_id");
  return {
    layers: integer("block_count"),
    heads,
    headSize,
    width,
    mlpWidth: integer("feed_forward_length"),
    vocabSize,
    contextLength: integer("context_length"),
    rotaryDims: ggufInteger(metadata, key("rope.dimension_count")) ?? headSize,
    ropeTheta: shortest(ggufNumber(metadata, key("rope.freq_base")) ?? DEFAULT_ROPE_THETA),
    layerNormEps: shortest(epsilon),
    ...(bosTokenId === undefined ? {} : { bosTokenId }),
    ...(eosTokenId === undefined ? {} : { eosTokenId }),
  };
}

function refuseFeatures(
  { path, metadata }: Pick<GgufCheckpoint, "path" | "metadata">,
  heads: number,
): void {
  const keyValueHeads = ggufInteger(metadata, key("attention.head_count_kv")) ?? heads;
  const scaling = ggufString(metadata, key("rope.scaling.type")) ?? "none";
  const found = [
    ...(keyValueHeads === heads ? [] : [`${keyValueHeads} key-value heads for ${heads} heads`]),
    ...(scaling === "none" ? [] : [`RoPE scaling "${scaling}"`]),
  ];
  if (found.length > 0)
    throw new LabError("unsupported", `${path} asks for ${found.join(", ")}: not supported`, {
      hint: "Phi-1, Phi-1.5 and Phi-2 have none of it.",
    });
}

/** The shortest decimal that is this 32-bit number: 1e-5, not 0.000009999999747378752. */
export function shortest(value: number): number {
  for (let digits = 1; digits < 9; digits++) {
    const rounded = Number(value.toPrecision(digits));
    if (Math.fround(rounded) === Math.fround(value)) return rounded;
  }
  return value;
}

/** The metadata that describes `config`, with the types that llama.cpp expects. */
export function toGgufMetadata(config: PhiConfig): Map<string, GgufValue> {
  const { uint32, float32 } = ggufValue;
  return new Map([
    [key("context_length"), uint32(config.contextLength)],
    [key("embedding_length"), uint32(config.width)],
    [key("feed_forward_length"), uint32(config.mlpWidth)],
    [key("block_count"), uint32(config.layers)],
    [key("attention.head_count"), uint32(config.heads)],
    [key("attention.head_count_kv"), uint32(config.heads)],
    [key("attention.layer_norm_epsilon"), float32(config.layerNormEps)],
    [key("rope.dimension_count"), uint32(config.rotaryDims)],
    ...(config.ropeTheta === DEFAULT_ROPE_THETA
      ? []
      : [[key("rope.freq_base"), float32(config.ropeTheta)] as const]),
  ]);
}
