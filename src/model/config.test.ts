import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { LabError } from "../base/errors.ts";
import { openCheckpoint } from "../checkpoint/open.ts";
import type { GgufCheckpoint, GgufValue } from "../checkpoint/types.ts";
import { toGgufMetadata } from "./config-gguf.ts";
import { toHuggingFace } from "./config-huggingface.ts";
import { configFromCheckpoint, configFromJson, PHI_PRESETS, type PhiConfig } from "./config.ts";

const mini: PhiConfig = {
  layers: 2,
  heads: 4,
  headSize: 16,
  width: 64,
  mlpWidth: 256,
  vocabSize: 512,
  contextLength: 2048,
  rotaryDims: 8,
  ropeTheta: 10_000,
  layerNormEps: 1e-5,
  bosTokenId: 0,
  eosTokenId: 0,
};
const { bosTokenId: _bos, eosTokenId: _eos, ...miniWithoutTokens } = mini;

/** Microsoft's config.json of Phi-2 in transformers 4.37. */
const phi2 = {
  architectures: ["PhiForCausalLM"],
  model_type: "phi",
  attention_dropout: 0.0,
  bos_token_id: 50256,
  embd_pdrop: 0.0,
  eos_token_id: 50256,
  hidden_act: "gelu_new",
  hidden_size: 2560,
  initializer_range: 0.02,
  intermediate_size: 10240,
  layer_norm_eps: 1e-5,
  max_position_embeddings: 2048,
  num_attention_heads: 32,
  num_hidden_layers: 32,
  num_key_value_heads: null,
  partial_rotary_factor: 0.4,
  qk_layernorm: false,
  resid_pdrop: 0.1,
  rope_scaling: null,
  rope_theta: 10000.0,
  tie_word_embeddings: false,
  torch_dtype: "float16",
  transformers_version: "4.37.0",
  use_cache: true,
  vocab_size: 51200,
};

const gguf = (metadata: ReadonlyMap<string, GgufValue>): GgufCheckpoint => ({
  format: "gguf",
  path: "x.gguf",
  tensors: new Map(),
  metadata: new Map([...metadata]),
});

/** GGUF metadata as philab writes it for `config` without a tokenizer. */
function written(config: PhiConfig): Map<string, GgufValue> {
  return new Map<string, GgufValue>([
    ["general.architecture", { type: "string", value: "phi2" }],
    ["phi2.vocab_size", { type: "uint32", value: config.vocabSize }],
    ...toGgufMetadata(config),
  ]);
}

describe("a Phi configuration", () => {
  it("is read from today's config.json and from those of the older layouts alike", async () => {
    const read = async (path: string) => configFromCheckpoint(await openCheckpoint(path));
    expect(await read("test/fixtures/phi-mini")).toEqual(mini);
    expect(await read("test/fixtures/phi-mini-legacy/interim")).toEqual(mini);
    expect(await read("test/fixtures/phi-mini-legacy/mixformer")).toEqual(miniWithoutTokens);
    expect(await read("test/fixtures/phi-mini-legacy/phi-msft")).toEqual(miniWithoutTokens);
  });

  it("of Microsoft's Phi-2 is the preset", () => {
    expect(configFromJson(phi2, "phi-2")).toEqual(PHI_PRESETS["phi-2"]);
  });

  it("without MLP is allowed", () => {
    expect(configFromJson({ ...phi2, intermediate_size: 0 }, "x").mlpWidth).toBe(0);
  });

  it("survives being written for transformers and for llama.cpp and read again", () => {
    const anyConfig = fc
      .record({
        layers: fc.integer({ min: 1, max: 40 }),
        heads: fc.integer({ min: 1, max: 64 }),
        headSize: fc.integer({ min: 1, max: 128 }).map((half) => 2 * half),
        mlpWidth: fc.nat(20_000),
        vocabSize: fc.integer({ min: 10, max: 60_000 }),
        contextLength: fc.integer({ min: 1, max: 8192 }),
        rotaryShare: fc.double({ min: 0, max: 1, noNaN: true }),
        ropeTheta: fc.constantFrom(10_000, 500_000, 1234.5),
        layerNormEps: fc.constantFrom(1e-5, 1e-6, 1e-12),
        eosTokenId: fc.nat(9),
      })
      .map(({ rotaryShare, ...rest }): PhiConfig => ({
        ...rest,
        width: rest.heads * rest.headSize,
        rotaryDims: 2 * Math.max(1, Math.floor((rotaryShare * rest.headSize) / 2)),
      }));
    fc.assert(
      fc.property(anyConfig, (config) => {
        const json = toHuggingFace(config, { dtype: "f32" });
        expect(configFromJson(json, "x")).toEqual(config);
        const { eosTokenId: _, ...withoutTokens } = config;
        expect(configFromCheckpoint(gguf(written(config)))).toEqual(withoutTokens);
        // llama.cpp's converter computes the rotary dimensions from the width.
        const factor = json["partial_rotary_factor"] as number;
        expect(Math.floor(Math.trunc(factor * config.width) / config.heads)).toBe(
          config.rotaryDims,
        );
      }),
      { numRuns: 500 },
    );
  });

  it("is written with the dropout rates of the file before it", () => {
    const json = toHuggingFace(PHI_PRESETS["phi-2"], { dtype: "f16", previous: phi2 });
    expect(json).toMatchObject({
      resid_pdrop: 0.1,
      torch_dtype: "float16",
      partial_rotary_factor: 0.4,
    });
    expect(configFromJson(json, "x")).toEqual(PHI_PRESETS["phi-2"]);
  });

  const unsupported: [string, Record<string, unknown>, RegExp][] = [
    [
      "another architecture",
      { model_type: "llama", architectures: ["LlamaForCausalLM"] },
      /architecture llama \/ LlamaForCausalLM/,
    ],
    ["no architecture", { model_type: null, architectures: null }, /architecture unknown/],
    ["normalised queries and keys", { qk_layernorm: true }, /qk_layernorm/],
    ["scaled rotation", { rope_scaling: { type: "linear", factor: 2 } }, /RoPE scaling "linear"/],
    [
      "scaled rotation in the new form",
      { rope_parameters: { rope_type: "yarn", rope_theta: 10_000, partial_rotary_factor: 0.4 } },
      /RoPE scaling "yarn"/,
    ],
    ["grouped key-value heads", { num_key_value_heads: 8 }, /8 key-value heads for 32 heads/],
    ["a head size of its own", { head_dim: 128 }, /head_dim 128/],
    ["tied embeddings", { tie_word_embeddings: true }, /tied embeddings/],
    ["another activation", { hidden_act: "silu" }, /the activation silu/],
    ["quantised weights", { quantization_config: { quant_method: "gptq" } }, /quantization_config/],
    ["several end tokens", { eos_token_id: [1, 2] }, /several tokens as eos_token_id: 1, 2/],
  ];
  for (const [what, change, message] of unsupported)
    it(`with ${what} is refused by name`, () => {
      const read = () => configFromJson({ ...phi2, ...change }, "config.json");
      expect(read).toThrow(message);
      expect(read).toThrow(expect.objectContaining({ code: "unsupported" }) as Error);
    });

  const impossible: [string, Record<string, unknown>, RegExp][] = [
    ["a missing field", { hidden_size: undefined }, /hidden_size/],
    ["text for a number", { num_hidden_layers: "32" }, /num_hidden_layers/],
    ["no layers", { num_hidden_layers: 0 }, /layers/],
    ["a million layers", { num_hidden_layers: 1e6 }, /layers/],
    [
      "heads that do not divide the width",
      { num_attention_heads: 33, num_key_value_heads: null },
      /headSize/,
    ],
    ["no heads", { num_attention_heads: 0 }, /heads/],
    ["an odd number of rotated dimensions", { partial_rotary_factor: 0.4125 }, /33 dimensions/],
    ["more rotated dimensions than a head has", { partial_rotary_factor: 2 }, /160 dimensions/],
    ["no rotary factor", { partial_rotary_factor: undefined }, /no partial_rotary_factor/],
    [
      "two rotary factors",
      { rope_parameters: { partial_rotary_factor: 0.5, rope_theta: 10_000 } },
      /two values of partial_rotary_factor: 0.5 and 0.4/,
    ],
    ["an end token beyond the vocabulary", { eos_token_id: 51_200 }, /eosTokenId is 51200/],
  ];
  for (const [what, change, message] of impossible)
    it(`with ${what} is called corrupt`, () => {
      const read = () => configFromJson({ ...phi2, ...change }, "config.json");
      expect(read).toThrow(message);
      expect(read).toThrow(expect.objectContaining({ code: "corrupt_file" }) as Error);
    });

  it("never throws anything but a LabError, whatever JSON it is read from", () => {
    const value = fc.oneof(fc.jsonValue(), fc.constantFrom(0, -1, 1e308, NaN, "phi", null));
    const change = fc.dictionary(fc.constantFrom(...Object.keys(phi2), "rope_parameters"), value);
    fc.assert(
      fc.property(change, fc.constantFrom("phi", "phi-msft"), (changes, modelType) => {
        try {
          configFromJson({ ...phi2, model_type: modelType, ...changes }, "x");
        } catch (error) {
          expect(error).toBeInstanceOf(LabError);
        }
      }),
      { numRuns: 500 },
    );
    for (const json of [null, 7, "text", []])
      expect(() => configFromJson(json, "x")).toThrow(LabError);
  });

  it("needs a config.json beside plain weights", async () => {
    const { config: _, ...bare } = await openCheckpoint("test/fixtures/phi-mini");
    expect(() => configFromCheckpoint(bare)).toThrow("has no config.json beside it");
  });
});

describe("GGUF metadata", () => {
  const read = (changes: [string, GgufValue | undefined][]) => {
    const metadata = written(mini);
    for (const [key, value] of changes)
      if (value) metadata.set(key, value);
      else metadata.delete(key);
    return configFromCheckpoint(gguf(metadata));
  };
  const uint32 = (value: number): GgufValue => ({ type: "uint32", value });
  const text = (value: string): GgufValue => ({ type: "string", value });

  it("gives llama.cpp's values where keys are left out", () => {
    const config = read([
      ["phi2.rope.dimension_count", undefined],
      ["phi2.attention.head_count_kv", undefined],
    ]);
    expect(config).toMatchObject({ rotaryDims: 16, ropeTheta: 10_000, layerNormEps: 1e-5 });
  });

  it("counts the vocabulary by the tokens where no key tells it", () => {
    const tokens: GgufValue = { type: "array", items: "string", value: ["a", "b", "c"] };
    const config = read([
      ["phi2.vocab_size", undefined],
      ["tokenizer.ggml.tokens", tokens],
      ["tokenizer.ggml.eos_token_id", uint32(2)],
    ]);
    expect(config).toMatchObject({ vocabSize: 3, eosTokenId: 2 });
  });

  it("of another architecture, with scaled rotation or with grouped heads is refused by name", () => {
    expect(() => read([["general.architecture", text("llama")]])).toThrow("architecture llama");
    expect(() => read([["phi2.rope.scaling.type", text("yarn")]])).toThrow('RoPE scaling "yarn"');
    expect(() => read([["phi2.attention.head_count_kv", uint32(1)]])).toThrow(
      "1 key-value heads for 4",
    );
  });

  it("names the key that is missing or of the wrong type", () => {
    for (const key of toGgufMetadata(mini).keys()) {
      if (key.endsWith("_kv") || key.includes("rope")) continue;
      expect(() => read([[key, undefined]])).toThrow(`no ${key}`);
      expect(() => read([[key, text("2")]])).toThrow(`"${key}" should be`);
    }
  });
});
