/**
 * A model's weights as arrays, for analyses that work on weights. Two views, neither of which changes the model:
 * `raw` has them as stored, `folded` has LayerNorm's weight and bias folded into what reads it, and what is written to the
 * stream centred, as TransformerLens processes weights (`fold_ln`, `center_writing_weights`, `center_unembed`,
 * `fold_value_biases`). Log-probabilities are those of the model in both.
 *
 * Matrices lie as in Hugging Face's files, `[outputs, inputs]`: y = W·x + b.
 */
import { LabError } from "../base/errors.ts";
import { openCheckpoint, readTensor } from "../checkpoint/index.ts";
import { rowBytes } from "../engine/dtypes.ts";
import { dequantizeRows } from "../engine/quantize.ts";
import type { LanguageModel } from "../generate/language-model.ts";
import type { PhiConfig } from "../model/config.ts";
import { requirePhi } from "../model/model-config.ts";
import { resolveParameters, type ParameterSource } from "../model/parameters.ts";
import { foldBlock, foldEmbedding, foldUnembed } from "./fold.ts";

export interface LinearValues {
  /** `[outputs, inputs]` */
  weight: Float32Array;
  /** `[outputs]` */
  bias: Float32Array;
}

export interface NormValues {
  weight: Float32Array; // [D]
  bias: Float32Array; // [D]
}

export interface BlockValues {
  norm: NormValues;
  q: LinearValues; // [N·H, D]
  k: LinearValues;
  v: LinearValues;
  dense: LinearValues; // [D, N·H]
  mlp: { fc1: LinearValues; fc2: LinearValues } | undefined; // [F, D], [D, F]
}

export interface UnembedValues {
  norm: NormValues;
  head: LinearValues; // [V, D]
}

/** Weights that are read when they are asked for: a large model does not fit twice. */
export interface WeightView {
  readonly kind: "raw" | "folded";
  readonly config: PhiConfig;
  embedding(): Promise<Float32Array>; // [V, D]
  block(layer: number): Promise<BlockValues>;
  unembed(): Promise<UnembedValues>;
}

/**
 * Opens a view on the weights of a model, in whatever type they are stored.
 *
 * @throws LabError `unsupported` while an adapter is in use, whose changes are not among the stored weights, and for models
 *   that are no Phi
 */
export async function openWeights(
  model: Pick<LanguageModel, "path" | "config" | "adapter">,
  kind: WeightView["kind"] = "raw",
): Promise<WeightView> {
  if (model.adapter !== null)
    throw new LabError(
      "unsupported",
      `the weights under the adapter ${model.adapter} are not stored`,
      {
        hint: "Merge it into the model first: philab adapter merge.",
      },
    );
  const config = requirePhi(model.config, "analyses of weights");
  const sources = resolveParameters(await openCheckpoint(model.path), config);
  const read = (name: string): Promise<Float32Array> => readParameter(name, sources);
  const pair = async (name: string): Promise<LinearValues & NormValues> => ({
    weight: await read(`${name}.weight`),
    bias: await read(`${name}.bias`),
  });
  const raw: WeightView = {
    kind: "raw",
    config,
    embedding: () => read("model.embed_tokens.weight"),
    async block(layer) {
      assertLayer(layer, config);
      const at = `model.layers.${layer}`;
      return {
        norm: await pair(`${at}.input_layernorm`),
        q: await pair(`${at}.self_attn.q_proj`),
        k: await pair(`${at}.self_attn.k_proj`),
        v: await pair(`${at}.self_attn.v_proj`),
        dense: await pair(`${at}.self_attn.dense`),
        mlp:
          config.mlpWidth === 0
            ? undefined
            : { fc1: await pair(`${at}.mlp.fc1`), fc2: await pair(`${at}.mlp.fc2`) },
      };
    },
    unembed: async () => ({
      norm: await pair("model.final_layernorm"),
      head: await pair("lm_head"),
    }),
  };
  if (kind === "raw") return raw;
  return {
    kind,
    config,
    embedding: async () => foldEmbedding(await raw.embedding(), config),
    block: async (layer) => foldBlock(await raw.block(layer), config),
    unembed: async () => foldUnembed(await raw.unembed(), config),
  };
}

function assertLayer(layer: number, { layers }: PhiConfig): void {
  if (!Number.isInteger(layer) || layer < 0 || layer >= layers)
    throw new LabError("bad_input", `there is no layer ${layer}`, {
      hint: `The model has layers 0…${layers - 1}.`,
    });
}

/** A parameter by its Hugging Face name, as f32. */
export async function readParameter(
  name: string,
  sources: ReadonlyMap<string, ParameterSource>,
): Promise<Float32Array> {
  const source = sources.get(name);
  if (source === undefined) throw new LabError("internal", `internal: no parameter ${name}`);
  const { entry, rows = [{ start: 0, count: entry.shape[0] ?? 1 }] } = source;
  const rowLength = entry.shape.length > 1 ? (entry.shape.at(-1) ?? 1) : 1;
  const stored = rowBytes(entry.dtype, rowLength);
  const parts: Float32Array[] = [];
  for (const { start, count } of rows) {
    const bytes = await readTensor(entry, { start: start * stored, end: (start + count) * stored });
    parts.push(dequantizeRows(entry.dtype, bytes, count * rowLength));
  }
  const [first] = parts;
  if (first !== undefined && parts.length === 1) return first;
  const whole = new Float32Array(parts.reduce((sum, { length }) => sum + length, 0));
  let offset = 0;
  for (const part of parts) {
    whole.set(part, offset);
    offset += part.length;
  }
  return whole;
}
