import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { configFromPeft, loraConfig, type LoraConfig } from "./adapter-config.ts";
import { scaleOfModule, targetedModules } from "./adapter-targets.ts";
import { configFromJson } from "./config.ts";
import { linearModules } from "./lora.ts";

const read = (name: string): unknown => JSON.parse(readFileSync(`test/fixtures/${name}`, "utf8"));
const modules = linearModules(configFromJson(read("phi-mini/config.json"), "phi-mini")).map(
  ({ name }) => name,
);
const meanings = read("peft/targets.json") as {
  config: Record<string, unknown>;
  modules: Record<string, [rank: number, scale: number]>;
}[];
const targets = (config: Partial<LoraConfig>) => targetedModules(loraConfig(config), modules);

describe("targets", () => {
  for (const { config: fields, modules: wanted } of meanings)
    it(`${JSON.stringify(fields)} mean what they mean to PEFT`, () => {
      const { config } = configFromPeft({ peft_type: "LORA", ...fields }, "adapter_config.json");
      const found = targetedModules(config, modules);
      expect(found).toEqual(Object.keys(wanted));
      for (const [name, [rank, scale]] of Object.entries(wanted)) {
        expect(scaleOfModule(config, name).rank, name).toBe(rank);
        expect(scaleOfModule(config, name).scale, name).toBeCloseTo(scale, 12);
      }
    });

  it("that name no layer are refused, with the names that are near", () => {
    expect(() => targets({ targetModules: ["q_proj", "qproj"] })).toThrow(
      expect.objectContaining({
        code: "bad_input",
        message: "the target module qproj means no layer of the model",
        hint: "Did you mean q_proj? The linear layers are q_proj, k_proj, v_proj, dense, fc1, fc2 and lm_head.",
      }) as Error,
    );
  });

  it("of older code and of other models are told by today's names", () => {
    for (const [target, today] of [
      ["Wqkv", "q_proj, k_proj and v_proj"],
      ["mixer.out_proj", "dense"],
      ["o_proj", "dense"],
      ["up_proj", "fc1"],
    ])
      expect(() => targets({ targetModules: [target ?? ""] })).toThrow(
        expect.objectContaining({
          hint: expect.stringMatching(`^Here it is ${today}\\.`) as string,
        }) as Error,
      );
  });

  it("cannot be the embedding, which is no linear layer", () => {
    expect(() => targets({ targetModules: ["embed_tokens"] })).toThrow(
      "embed_tokens is a table, no linear layer",
    );
  });

  it("that are all excluded are refused", () => {
    expect(() => targets({ targetModules: ["fc1"], excludeModules: ["fc1"] })).toThrow(
      'the adapter changes no layer: target modules ["fc1"] without ["fc1"] mean none',
    );
    expect(() => targets({ targetModules: "mlp" })).toThrow("changes no layer");
    expect(() => targets({ targetModules: ["fc1"], layersToTransform: [7] })).toThrow(
      "in layers 7",
    );
    expect(() => targets({ targetModules: [] })).toThrow("changes no layer");
  });

  it("as expressions that Python alone knows, or that take for ever, are refused", () => {
    for (const pattern of ["(?i)q_proj", "[", "q_proj\\Z", "(([a-z.0-9_]+)*)*!"])
      expect(() => targets({ targetModules: pattern }), pattern).toThrow(
        expect.objectContaining({
          code: "unsupported",
          hint: "List the modules by their names.",
        }) as Error,
      );
  });
});
