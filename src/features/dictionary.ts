/**
 * Sparse dictionaries: a sparse autoencoder says an activation as a sum of few of many directions (Bricken et al. 2023;
 * Cunningham et al. 2023, arXiv 2309.08600), a transcoder says so what an MLP makes of its input (Dunefsky et al. 2024, arXiv
 * 2406.11944).
 *
 *   f = σ(W_e·(x − b) + b_e),   y ≈ Wᵀ_d·f + b_d          (x − b with b = b_d in an autoencoder, b = 0 in a transcoder)
 *
 * S latents, I width of what is read, O width of what is written.
 */
import { LabError } from "../base/errors.ts";
import type { JsonObject } from "../base/json.ts";
import type { ModelConfig } from "../model/model-config.ts";
import type { HookPoint } from "../model/hook-points.ts";
import { resolveOneHook, tailOf } from "../model/hooks/names.ts";

/** σ: all positive values; the `k` largest of a token, where positive; those above a threshold of their latent. */
export type Activation = { name: "relu" } | { name: "topk"; k: number } | { name: "jumprelu" };

export interface Dictionary {
  kind: "sae" | "transcoder";
  activation: Activation;
  /** What is read, and what is written: the same hook in an autoencoder. */
  input: HookPoint;
  output: HookPoint;
  sizes: { latents: number; input: number; output: number };
  /** Whether the decoder's bias is taken off what is read. */
  centred: boolean;
  encoder: Float32Array; // [S, I]
  encoderBias: Float32Array; // [S]
  decoder: Float32Array; // [S, O]
  decoderBias: Float32Array; // [O]
  /** Of `jumprelu`: what a latent must exceed. */
  threshold: Float32Array | undefined; // [S]
  /** What else the file says, under SAELens' names. */
  metadata: JsonObject;
}

/** The direction that a latent writes, `[O]`. */
export function decoderRow({ decoder, sizes }: Dictionary, latent: number): Float32Array {
  return decoder.subarray(latent * sizes.output, (latent + 1) * sizes.output);
}

/** The direction that a latent reads, `[I]`. */
export function encoderRow({ encoder, sizes }: Dictionary, latent: number): Float32Array {
  return encoder.subarray(latent * sizes.input, (latent + 1) * sizes.input);
}

/**
 * The hook that a dictionary is to be trained on, and its width.
 *
 * @throws LabError `bad_input` for a hook that the model does not have, and for one whose values are not rows of a width
 */
export function hookOf(name: string, config: ModelConfig): { hook: HookPoint; width: number } {
  const hook = resolveOneHook(name, config);
  const tail = tailOf(hook, config);
  if (tail === "pattern" || tail.length !== 1)
    throw new LabError("bad_input", `${hook} has no rows of one width to take apart`, {
      hint: "Take the stream, attention's or the MLP's output, or the MLP's neurons.",
    });
  return { hook, width: tail[0] as number };
}

/**
 * Refuses a dictionary that cannot be of this model: another shape, or a layer that is not there.
 *
 * @param options.hook - where it is to be used, when somebody says so
 */
export function assertFits(
  { input, output, sizes }: Dictionary,
  config: ModelConfig,
  { hook }: { hook?: string | undefined } = {},
): void {
  for (const [point, width] of [
    [input, sizes.input],
    [output, sizes.output],
  ] as const) {
    const layer = /^blocks\.(\d+)\./.exec(point)?.[1];
    if (layer !== undefined && Number(layer) >= config.layers)
      throw new LabError(
        "bad_input",
        `the dictionary is of ${point}; this model has layers 0…${config.layers - 1}`,
        { hint: "Open the model that it was trained on." },
      );
    const own = hookOf(point, config).width;
    if (own !== width)
      throw new LabError(
        "bad_input",
        `the dictionary has ${width} values at ${point}, where this model has ${own}`,
        { hint: "Open the model that it was trained on." },
      );
  }
  if (hook === undefined) return;
  const wanted = resolveOneHook(hook, config);
  if (wanted !== output && wanted !== input)
    throw new LabError("bad_input", `the dictionary is of ${output}, not of ${wanted}`, {
      hint: "Leave --hook out, or take the dictionary of that place.",
    });
}
