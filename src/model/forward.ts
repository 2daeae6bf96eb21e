/** The forward pass of a model, whatever its architecture. */
import { LabError } from "../base/errors.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { gpt2, gpt2Head, type Gpt2Weights } from "./gpt2.ts";
import type { ForwardInputs, ForwardOptions } from "./layers.ts";
import { llama, llamaHead, type LlamaWeights } from "./llama.ts";
import { onlyForPhi, type ModelConfig } from "./model-config.ts";
import { phi, phiHead, type PhiWeights } from "./phi.ts";

export type ModelWeights = PhiWeights | Gpt2Weights | LlamaWeights;

/** Logits `[R or K, V]`. */
export function forward(
  weights: ModelWeights,
  config: ModelConfig,
  inputs: ForwardInputs,
  options: ForwardOptions,
): Tensor {
  if (weights.architecture === undefined && config.architecture === undefined)
    return phi(weights, config, inputs, options);
  if (weights.architecture === "gpt2" && config.architecture === "gpt2")
    return gpt2(weights, config, inputs, options);
  if (weights.architecture === "llama" && config.architecture === "llama")
    return llama(weights, config, inputs, options);
  throw mismatch();
}

/** What the head says of rows of the stream: final norm and head, `[K, D]` → `[K, V]`. */
export function unembed(weights: ModelWeights, config: ModelConfig, x: Tensor): Tensor {
  if (weights.architecture === undefined && config.architecture === undefined)
    return phiHead(weights, config, x);
  if (weights.architecture === "gpt2" && config.architecture === "gpt2")
    return gpt2Head(weights, config, x);
  if (weights.architecture === "llama" && config.architecture === "llama")
    return llamaHead(weights, config, x);
  throw mismatch();
}

/**
 * The weights of a Phi model.
 *
 * @param what - what asks for them: `adapters`
 * @throws LabError `unsupported` for another architecture
 */
export function phiWeights(weights: ModelWeights, what: string): PhiWeights {
  if (weights.architecture === undefined) return weights;
  throw onlyForPhi(what, weights.architecture);
}

function mismatch(): LabError {
  return new LabError("internal", "internal: weights of another architecture");
}
