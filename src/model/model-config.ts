/**
 * Models of any architecture that philab runs: Phi, and those that it is compared with. What is made for Phi alone (training,
 * adapters, conversion, analyses of weights) asks for a `PhiConfig`, and `requirePhi` refuses the others.
 */
import { z } from "zod";
import { LabError } from "../base/errors.ts";
import { checkObject } from "../base/schema.ts";
import { CONFIG_FILE } from "../checkpoint/open.ts";
import type { Checkpoint } from "../checkpoint/types.ts";
import { fromComparisonGguf } from "./comparison-gguf.ts";
import { fromComparisonJson } from "./comparison-json.ts";
import { configFromCheckpoint, type ModelShape, type PhiConfig } from "./config.ts";

export interface Gpt2Config extends ModelShape {
  readonly architecture: "gpt2";
  readonly layerNormEps: number;
}

/** Llama-2 and its like; Mistral, whose context here ends with its window. */
export interface LlamaConfig extends ModelShape {
  readonly architecture: "llama";
  /** G, a divisor of the heads: as many neighbouring heads share keys and values as there are to each of these. */
  readonly keyValueHeads: number;
  readonly ropeTheta: number;
  readonly rmsNormEps: number;
  /** Whether the head is the embedding. */
  readonly tiedHead: boolean;
}

export type ComparisonConfig = Gpt2Config | LlamaConfig;
export type ModelConfig = PhiConfig | ComparisonConfig;

/** Far beyond any of these models: the limits keep a damaged file from asking for a million layers. */
const size = (max: number) => z.int().min(1).max(max);
const shape = z.object({
  layers: size(1000),
  heads: size(1024),
  headSize: size(4096),
  width: size(2 ** 20),
  mlpWidth: size(2 ** 22),
  vocabSize: size(2 ** 24),
  contextLength: size(2 ** 24),
  bosTokenId: z.int().min(0).optional(),
  eosTokenId: z.int().min(0).optional(),
});
const epsilon = z.number().positive().max(1);
const schemas = {
  gpt2: shape.extend({ layerNormEps: epsilon }),
  llama: shape.extend({
    keyValueHeads: size(1024),
    ropeTheta: z.number().positive().max(1e12),
    rmsNormEps: epsilon,
  }),
};

/**
 * The configuration of an opened checkpoint of any architecture that philab runs.
 *
 * @throws LabError as `configFromCheckpoint`
 */
export function modelConfigFromCheckpoint(checkpoint: Checkpoint): ModelConfig {
  const { path } = checkpoint;
  const found =
    checkpoint.format === "gguf"
      ? fromComparisonGguf(checkpoint)
      : fromComparisonJson(checkpoint.config, `${path}: ${CONFIG_FILE}`);
  return found === undefined ? configFromCheckpoint(checkpoint) : checked(found, path);
}

function checked(config: ComparisonConfig, path: string): ComparisonConfig {
  checkObject(schemas[config.architecture], config, { what: path, code: "corrupt_file" });
  const { heads, headSize, width, vocabSize, bosTokenId, eosTokenId } = config;
  const refuse = (finding: string) =>
    new LabError("corrupt_file", `${path}: ${finding}`, { hint: "The configuration is damaged." });
  if (heads * headSize !== width)
    throw refuse(`${heads} heads of size ${headSize} do not make the width ${width}`);
  if (config.architecture === "llama") {
    const { keyValueHeads } = config;
    if (heads % keyValueHeads !== 0)
      throw refuse(`${heads} heads cannot share ${keyValueHeads} heads of keys and values`);
    if (headSize % 2 !== 0) throw refuse(`heads of size ${headSize} cannot be rotated in pairs`);
  }
  for (const [name, id] of Object.entries({ bosTokenId, eosTokenId }))
    if (id !== undefined && id >= vocabSize)
      throw refuse(`${name} is ${id}, beyond the vocabulary of ${vocabSize}`);
  return config;
}

/** What an architecture is called, in messages. */
export function architectureName(architecture: ModelConfig["architecture"]): string {
  return architecture === undefined ? "Phi" : { gpt2: "GPT-2", llama: "Llama" }[architecture];
}

/**
 * The configuration of a Phi model.
 *
 * @param what - what asks for it: `adapters`
 * @throws LabError `unsupported` for another architecture
 */
export function requirePhi(config: ModelConfig, what: string): PhiConfig {
  if (config.architecture === undefined) return config;
  throw onlyForPhi(what, config.architecture);
}

export function onlyForPhi(what: string, architecture: ModelConfig["architecture"]): LabError {
  return new LabError("unsupported", `${what}: not for ${architectureName(architecture)} models`, {
    hint: "It is made for Phi. GPT-2 and Llama run here to be compared with it: run, score, eval, serve, and the hooks.",
  });
}

/** Heads that keys and values have: those of the queries, or fewer. */
export function keyValueHeadsOf(config: ModelConfig): number {
  return config.architecture === "llama" ? config.keyValueHeads : config.heads;
}
