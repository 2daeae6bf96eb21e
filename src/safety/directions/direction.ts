/**
 * Directions in the residual stream that stand for a behaviour: read as differences of means, taken out while the model
 * runs or out of its weights, and added (Arditi et al. 2024, arXiv 2406.11717).
 */
import { convertModel, type ConvertResult } from "../../model/convert.ts";
import type { Edit } from "../../model/hooks/edits.ts";
import type { HookName } from "../../model/hooks/names.ts";
import type { ModelConfig } from "../../model/model-config.ts";
import { openWeights } from "../../interpret/index.ts";
import type { LanguageModel } from "../../generate/language-model.ts";
import type { RowChange } from "../../model/recode.ts";
import type { WriteOptions } from "../../model/write-model.ts";

/** A direction, and the block whose input it was read from. */
export interface Direction {
  layer: number;
  /** Place in the prompt that it was read at, from the end: -1 is the last token. */
  position: number;
  /** `[D]`, the difference of means, at its own length. */
  values: Float32Array;
}

/**
 * Takes the direction out of everything that is written to the stream: nothing after can have a share along it.
 *
 * @param config - the model's; GPT-2 writes its positions to the stream, too
 */
export function ablation(
  { values }: Pick<Direction, "values">,
  { architecture }: Pick<ModelConfig, "architecture">,
): Edit[] {
  const places: HookName[] = ["hook_embed", "blocks.*.hook_attn_out", "blocks.*.hook_mlp_out"];
  if (architecture === "gpt2") places.push("hook_pos_embed");
  return places.map((at) => ({ at, op: "projectOut", directions: values }));
}

/** Adds the direction to the stream where it was read, at every position. */
export function addition(
  { layer, values }: Pick<Direction, "layer" | "values">,
  strength = 1,
): Edit[] {
  return [{ at: `blocks.${layer}.hook_resid_pre`, op: "add", value: values, scale: strength }];
}

/**
 * Writes the model with weights that write nothing along the direction: embedding, W_O, b_O, W_out and b_out less their share along
 * it. It computes what the model with `ablation` computes.
 *
 * @throws LabError what `convertModel` throws; `unsupported` while an adapter is in use
 */
export async function orthogonalize(
  model: LanguageModel,
  { values }: Pick<Direction, "values">,
  { to, ...options }: { to: string } & WriteOptions,
): Promise<ConvertResult> {
  const length = Math.hypot(...values);
  const unit = Float64Array.from(values, (value) => value / length);
  const weights = await openWeights(model);
  const { width, layers } = model.config;
  const changes = new Map<string, () => Promise<RowChange>>();
  changes.set("model.embed_tokens.weight", () => Promise.resolve(withoutShare(unit)));
  for (let layer = 0; layer < layers; layer++) {
    const name = `model.layers.${layer}`;
    for (const [part, of] of [
      ["self_attn.dense", "dense"],
      ["mlp.fc2", "fc2"],
    ] as const) {
      if (of === "fc2" && model.config.mlpWidth === 0) continue;
      changes.set(`${name}.${part}.bias`, () => Promise.resolve(withoutShare(unit)));
      changes.set(`${name}.${part}.weight`, async () => {
        const block = await weights.block(layer);
        const matrix = of === "dense" ? block.dense : block.mlp?.fc2;
        return withoutWrites(matrix?.weight ?? new Float32Array(), { unit, width });
      });
    }
  }
  return convertModel({ from: model.path, to, changes, ...options });
}

/** For rows `[…, D]` that are themselves written to the stream. */
function withoutShare(unit: Float64Array): RowChange {
  const width = unit.length;
  return (rows) => {
    for (let start = 0; start < rows.length; start += width) {
      let share = 0;
      for (let d = 0; d < width; d++) share += (unit[d] as number) * (rows[start + d] as number);
      for (let d = 0; d < width; d++)
        rows[start + d] = (rows[start + d] as number) - share * (unit[d] as number);
    }
    return Promise.resolve();
  };
}

/** For a matrix `[D, K]`, whose columns are written: W − u·(uᵀ·W). */
function withoutWrites(
  weight: Float32Array,
  { unit, width }: { unit: Float64Array; width: number },
): RowChange {
  const inputs = weight.length / width;
  const shares = new Float64Array(inputs);
  for (let d = 0; d < width; d++)
    for (let k = 0; k < inputs; k++)
      shares[k] = (shares[k] as number) + (unit[d] as number) * (weight[d * inputs + k] as number);
  return (rows, firstRow) => {
    for (let i = 0; i < rows.length; i++) {
      const d = firstRow + Math.floor(i / inputs);
      rows[i] = (rows[i] as number) - (unit[d] as number) * (shares[i % inputs] as number);
    }
    return Promise.resolve();
  };
}
