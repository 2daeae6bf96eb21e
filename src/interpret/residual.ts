/**
 * What a place in the stream is the sum of. In Phi's parallel block attention and MLP read the same stream: the MLP of layer l
 * has the attention of the layers *before* it in its input, not that of its own, which TransformerLens' `decompose_resid`
 * (`mlp_input=True`) adds.
 */
import { LabError } from "../base/errors.ts";
import type { Run } from "../generate/run.ts";
import type { ModelConfig } from "../model/model-config.ts";
import type { HookName } from "../model/hooks/names.ts";

export interface ResidualPart {
  /** As in TransformerLens: `embed`, `3_attn_out`, `3_mlp_out`. */
  label: string;
  hook: HookName;
}

/**
 * The parts of the stream that enters block `layer`, which attention and MLP of that block both read; for `layer` = L those
 * of the final stream.
 */
export function residualParts(config: ModelConfig, layer: number): ResidualPart[] {
  const { layers, mlpWidth, architecture } = config;
  if (!Number.isInteger(layer) || layer < 0 || layer > layers)
    throw new LabError("bad_input", `there is no stream before block ${layer}`, {
      hint: `Give 0…${layers}; ${layers} is the final stream.`,
    });
  const blocks = Array.from({ length: layer }, (_, l): ResidualPart[] => [
    { label: `${l}_attn_out`, hook: `blocks.${l}.hook_attn_out` },
    ...(mlpWidth === 0
      ? []
      : [{ label: `${l}_mlp_out`, hook: `blocks.${l}.hook_mlp_out` } as const]),
  ]);
  return [
    { label: "embed", hook: "hook_embed" },
    ...(architecture === "gpt2" ? [{ label: "pos_embed", hook: "hook_pos_embed" } as const] : []),
    ...blocks.flat(),
  ];
}

/** What to capture for `decomposeResidual`. */
export function residualHooks(config: ModelConfig, layer: number): HookName[] {
  return residualParts(config, layer).map(({ hook }) => hook);
}

/**
 * The parts of the stream before block `layer`, as captured: `[B, P, D]` each. Their sum is `hook_resid_pre` of that block.
 *
 * @throws LabError `not_found` where a part was not captured
 */
export function decomposeResidual(
  run: Run,
  config: ModelConfig,
  layer: number,
): { label: string; values: Float32Array }[] {
  return residualParts(config, layer).map(({ label, hook }) => ({
    label,
    values: run.get(hook).values,
  }));
}
