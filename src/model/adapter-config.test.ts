import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { LabError } from "../base/errors.ts";
import { configFromPeft, configToPeft, loraConfig, loraScale } from "./adapter-config.ts";

const saved = (name: string) =>
  JSON.parse(readFileSync(`test/fixtures/peft/${name}/adapter_config.json`, "utf8")) as Record<
    string,
    unknown
  >;
const parse = (json: unknown) => configFromPeft(json, "adapter_config.json");

describe("adapter_config.json", () => {
  it("of PEFT is read with nothing left to say", () => {
    const { config, notes } = parse(saved("rslora"));
    expect(notes).toEqual([]);
    expect({ ...config, targetModules: [...config.targetModules].sort() }).toEqual({
      rank: 4,
      alpha: 6,
      dropout: 0.1,
      targetModules: ["dense", "fc1", "fc2", "k_proj", "lm_head", "q_proj", "v_proj"],
      excludeModules: [],
      rankPattern: { fc1: 2, "layers.1.self_attn.dense": 3 },
      alphaPattern: { "^model\\.layers\\.0\\.self_attn\\.[kv]_proj": 9, "mlp.fc2": 3 },
      useRslora: true,
      useDora: false,
      baseModel: "test/fixtures/phi-mini",
    });
  });

  it("comes back from what is written", () => {
    for (const name of ["plain", "rslora", "dora"]) {
      const { config } = parse(saved(name));
      expect(parse(configToPeft(config)).config).toEqual(config);
    }
    const config = loraConfig({ layersToTransform: [1], excludeModules: ["fc1"], baseModel: "x" });
    expect(parse(configToPeft(config)).config).toEqual(config);
  });

  it("has every field that PEFT writes and that has a meaning, under PEFT's names", () => {
    const fields = Object.keys(configToPeft(loraConfig()));
    const known = new Set(Object.keys(saved("plain")));
    expect(fields.filter((field) => !known.has(field))).toEqual([]);
  });

  it("that says little has PEFT's defaults", () => {
    expect(parse({ peft_type: "LORA" }).config).toEqual({
      rank: 8,
      alpha: 8,
      dropout: 0,
      targetModules: ["q_proj", "v_proj", "fc1", "fc2"],
      excludeModules: [],
      rankPattern: {},
      alphaPattern: {},
      useRslora: false,
      useDora: false,
    });
  });

  it.each([
    [{ peft_type: "IA3" }, "an adapter of the type IA3"],
    [{ modules_to_save: ["lm_head"] }, "asks for modules_to_save: not supported"],
    [{ bias: "lora_only", fan_in_fan_out: true }, 'asks for fan_in_fan_out and bias "lora_only"'],
    [{ alora_invocation_tokens: [1, 2] }, "alora_invocation_tokens"],
    [{ trainable_token_indices: [5] }, "trainable_token_indices"],
    [{ target_parameters: ["mlp.experts"] }, "target_parameters"],
    [{ layer_replication: [[0, 2]] }, "layer_replication"],
    [{ layers_pattern: ["h"] }, "layers_pattern"],
    [{ init_lora_weights: "pissa_niter_16" }, "pissa_niter_16, which also changes the model's own"],
  ])("is refused by the name of what it asks for: %j", (fields, message) => {
    expect(() => parse({ peft_type: "LORA", ...fields })).toThrow(
      expect.objectContaining({
        code: "unsupported",
        message: expect.stringContaining(message) as string,
        hint: expect.any(String) as string,
      }) as Error,
    );
  });

  it("may hold fields of newer versions, which are named", () => {
    const { notes } = parse({ peft_type: "LORA", use_tomorrow: true, use_never: null });
    expect(notes).toEqual([
      "adapter_config.json: the field use_tomorrow is unknown and has no effect",
    ]);
  });

  it.each([
    [{ r: 0 }, "r: "],
    [{ r: 2.5 }, "r: "],
    [{ lora_alpha: "16" }, "lora_alpha: "],
    [{ rank_pattern: { fc1: -1 } }, "rank_pattern.fc1: "],
    [{ target_modules: [3] }, "target_modules"],
  ])("with values that cannot be is damaged: %j", (fields, message) => {
    expect(() => parse({ peft_type: "LORA", ...fields })).toThrow(
      expect.objectContaining({
        code: "corrupt_file",
        message: expect.stringContaining(message) as string,
      }) as Error,
    );
  });

  it("of any other content is read or refused, and never fails otherwise", () => {
    const keys = fc.constantFrom(...Object.keys(saved("plain")));
    const json = fc.oneof(
      fc.jsonValue(),
      fc.dictionary(keys, fc.jsonValue()).map((fields) => ({ ...saved("plain"), ...fields })),
    );
    fc.assert(
      fc.property(json, (value) => {
        try {
          expect(parse(value).config.rank).toBeGreaterThan(0);
        } catch (error) {
          expect(error).toBeInstanceOf(LabError);
        }
      }),
    );
  });
});

it("the scale is α/r, and α/√r in rsLoRA", () => {
  expect(loraScale({ alpha: 16, rank: 4 }, false)).toBe(4);
  expect(loraScale({ alpha: 16, rank: 4 }, true)).toBe(8);
});
