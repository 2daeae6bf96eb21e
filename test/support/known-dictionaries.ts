/** Dictionaries whose features are known, for models at hand. */
import { Random } from "../../src/base/random.ts";
import type { Dictionary } from "../../src/features/dictionary.ts";
import type { LanguageModel } from "../../src/generate/language-model.ts";
import { openWeights } from "../../src/interpret/weights.ts";

/** Features that fire for one token each: they read its embedding, above 0.7 of its length squared. */
export async function tokenFeatures(
  model: LanguageModel,
  tokens: readonly number[],
): Promise<Dictionary> {
  const { width } = model.config;
  const embedding = await (await openWeights(model)).embedding();
  const rows = Float32Array.from(
    tokens.flatMap((token) => [...embedding.subarray(token * width, (token + 1) * width)]),
  );
  const squares = tokens.map((_, i) =>
    rows.subarray(i * width, (i + 1) * width).reduce((sum, x) => sum + x * x, 0),
  );
  return {
    kind: "sae",
    activation: { name: "relu" },
    ...{ input: "hook_embed", output: "hook_embed", centred: false },
    sizes: { latents: tokens.length, input: width, output: width },
    encoder: rows,
    encoderBias: Float32Array.from(squares, (square) => -0.7 * square),
    decoder: rows,
    decoderBias: new Float32Array(width),
    threshold: undefined,
    metadata: {},
  };
}

/** A transcoder of random directions, few of which fire. */
export function randomTranscoder(width: number, layer: number, random: Random): Dictionary {
  const latents = 2 * width;
  const values = (count: number, size: number): Float32Array =>
    Float32Array.from({ length: count }, () => size * random.normal());
  return {
    kind: "transcoder",
    activation: { name: "jumprelu" },
    input: `blocks.${layer}.hook_ln1_out`,
    output: `blocks.${layer}.hook_mlp_out`,
    sizes: { latents, input: width, output: width },
    centred: false,
    encoder: values(latents * width, 1 / Math.sqrt(width)),
    encoderBias: values(latents, 0.1),
    decoder: values(latents * width, 0.3 / Math.sqrt(width)),
    decoderBias: values(width, 0.1),
    threshold: new Float32Array(latents).fill(1.2),
    metadata: {},
  };
}
