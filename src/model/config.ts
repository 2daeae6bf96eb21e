/** The numbers that make a Phi model: one plain object, whatever file they come from. */
import { z } from "zod";
import { checkObject } from "../base/schema.ts";
import { LabError } from "../base/errors.ts";
import { CONFIG_FILE } from "../checkpoint/open.ts";
import type { Checkpoint } from "../checkpoint/types.ts";
import { fromGgufMetadata } from "./config-gguf.ts";
import { fromHuggingFace } from "./config-huggingface.ts";

/** What models of every architecture have. */
export interface ModelShape {
  readonly layers: number;
  readonly heads: number;
  readonly headSize: number;
  /** D = heads × headSize. */
  readonly width: number;
  /** F; 0 for a model of attention only, whose blocks have no MLP parameters at all. */
  readonly mlpWidth: number;
  readonly vocabSize: number;
  /** Positions that the model was trained for. */
  readonly contextLength: number;
  readonly bosTokenId?: number;
  readonly eosTokenId?: number;
}

export interface PhiConfig extends ModelShape {
  /** The models that Phi is compared with name theirs (`model-config.ts`). */
  readonly architecture?: undefined;
  /** Leading dimensions of each head that are rotated, an even number. */
  readonly rotaryDims: number;
  readonly ropeTheta: number;
  readonly layerNormEps: number;
}

const phi1 = {
  layers: 24,
  heads: 32,
  headSize: 64,
  width: 2048,
  mlpWidth: 8192,
  vocabSize: 51_200,
  contextLength: 2048,
  rotaryDims: 32,
  ropeTheta: 10_000,
  layerNormEps: 1e-5,
  bosTokenId: 50_256,
  eosTokenId: 50_256,
} satisfies PhiConfig;

/** The shapes of Microsoft's models. Phi-1.5 has that of Phi-1. */
export const PHI_PRESETS = {
  "phi-1": phi1,
  "phi-1.5": phi1,
  "phi-2": { ...phi1, layers: 32, headSize: 80, width: 2560, mlpWidth: 10_240 },
} as const satisfies Record<string, PhiConfig>;

/** Far beyond any Phi: the limits keep a damaged file from asking for a million layers. */
const size = (max: number) => z.int().min(1).max(max);
const schema = z.object({
  layers: size(1000),
  heads: size(1024),
  headSize: size(4096),
  width: size(2 ** 20),
  mlpWidth: z
    .int()
    .min(0)
    .max(2 ** 22),
  vocabSize: size(2 ** 24),
  contextLength: size(2 ** 24),
  rotaryDims: size(4096),
  ropeTheta: z.number().positive().max(1e12),
  layerNormEps: z.number().positive().max(1),
  bosTokenId: z.int().min(0).optional(),
  eosTokenId: z.int().min(0).optional(),
});

/**
 * The configuration of an opened checkpoint: its config.json in the current or an older layout, or its GGUF metadata.
 *
 * @throws LabError `unsupported` for other architectures and for features that Phi-1, 1.5 and 2 do not have, each
 *   named; `corrupt_file` for values that cannot be; `not_found` without a config.json
 */
export function configFromCheckpoint(checkpoint: Checkpoint): PhiConfig {
  if (checkpoint.format === "gguf")
    return checkPhiConfig(fromGgufMetadata(checkpoint), checkpoint.path);
  if (checkpoint.config === undefined)
    throw new LabError("not_found", `${checkpoint.path} has no ${CONFIG_FILE} beside it`, {
      hint: "The file of weights alone does not say what model it is: give the model's directory.",
    });
  return configFromJson(checkpoint.config, `${checkpoint.path}: ${CONFIG_FILE}`);
}

/** As `configFromCheckpoint`, from a parsed config.json. `what` names it in errors. */
export function configFromJson(config: unknown, what: string): PhiConfig {
  return checkPhiConfig(fromHuggingFace(config, what), what);
}

/**
 * `config` where its values fit together.
 *
 * @throws LabError `corrupt_file` that names what does not
 */
function checkPhiConfig(config: PhiConfig, what: string): PhiConfig {
  checkObject(schema, config, { what, code: "corrupt_file" });
  const { heads, headSize, width, rotaryDims, vocabSize, bosTokenId, eosTokenId } = config;
  const refuse = (finding: string) =>
    new LabError("corrupt_file", `${what}: ${finding}`, {
      hint: "The configuration is damaged, or belongs to a model that is no Phi.",
    });
  if (heads * headSize !== width)
    throw refuse(`${heads} heads of size ${headSize} do not make the width ${width}`);
  if (rotaryDims % 2 !== 0 || rotaryDims > headSize)
    throw refuse(
      `${rotaryDims} dimensions of heads of size ${headSize} cannot be rotated in pairs`,
    );
  for (const [name, id] of Object.entries({ bosTokenId, eosTokenId }))
    if (id !== undefined && id >= vocabSize)
      throw refuse(`${name} is ${id}, beyond the vocabulary of ${vocabSize}`);
  return config;
}
