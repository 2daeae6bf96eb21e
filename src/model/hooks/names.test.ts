import { describe, expect, expectTypeOf, it } from "vitest";
import { PHI_PRESETS } from "../config.ts";
import { resolveHook, type HookName } from "./names.ts";

const config = PHI_PRESETS["phi-2"];

describe("names of hooks", () => {
  it("come from TransformerLens, its Bridge and its shorthands", () => {
    const known: [HookName, string][] = [
      ["hook_embed", "hook_embed"],
      ["blocks.31.attn.hook_pattern", "blocks.31.attn.hook_pattern"],
      ["blocks.-1.attn.hook_pattern", "blocks.31.attn.hook_pattern"],
      ["blocks.3.hook_in", "blocks.3.hook_resid_pre"],
      ["blocks.3.hook_out", "blocks.3.hook_resid_post"],
      ["blocks.3.attn.o.hook_in", "blocks.3.attn.hook_z"],
      ["blocks.3.ln2.hook_scale", "blocks.3.ln1.hook_scale"],
      ["blocks.3.mlp.in.hook_out", "blocks.3.mlp.hook_pre"],
      ["ln_final.hook_in", "blocks.31.hook_resid_post"],
      ["unembed.hook_out", "hook_logits"],
      ["k6", "blocks.6.attn.hook_k"],
      ["attn_scores-2", "blocks.30.attn.hook_attn_scores"],
      ["scale4ln1", "blocks.4.ln1.hook_scale"],
      ["normalized4ln2", "blocks.4.ln1.hook_normalized"],
      ["scale", "ln_final.hook_scale"],
      ["attn7", "blocks.7.attn.hook_pattern"],
      ["mlp_post7", "blocks.7.mlp.hook_post"],
    ];
    for (const [name, point] of known) expect(resolveHook(name, config)).toEqual([point]);
  });

  it("have a star for every layer", () => {
    expect(resolveHook("blocks.*.hook_resid_post", config)).toHaveLength(32);
    expect(resolveHook("z*", config).at(-1)).toBe("blocks.31.attn.hook_z");
  });

  it("that Phi lacks do not compile", () => {
    expectTypeOf<"blocks.3.hook_resid_middle">().not.toExtend<HookName>();
    expectTypeOf<"blocks.3.attn.hook_patern">().not.toExtend<HookName>();
    expectTypeOf<"blocks.x.hook_resid_pre">().not.toExtend<HookName>();
    expectTypeOf<"blocks.*.attn.hook_z">().toExtend<HookName>();
    expectTypeOf<"z-1">().toExtend<HookName>();
  });

  it("of an MLP are refused for a model of attention only", () => {
    expect(() => resolveHook("mlp_post0", { ...config, mlpWidth: 0 })).toThrow(/attention only/);
  });
});
