/** The shape of a model that is to be trained: a named size, a config.json, a model to begin from, each with changes. */
import { readFile } from "node:fs/promises";
import { z } from "zod";
import { LabError } from "../base/errors.ts";
import { formatCount } from "../base/format.ts";
import { configFromJson, PHI_PRESETS, type PhiConfig } from "../model/config.ts";
import { toHuggingFace } from "../model/config-huggingface.ts";

/** Heads × size, layers; MLPs four times as wide as the model, half of each head rotated. */
const small = (layers: number, heads: number, headSize: number): Size => ({
  ...{ layers, heads, headSize },
  ...{ width: heads * headSize, mlpWidth: 4 * heads * headSize, rotaryDims: headSize / 2 },
});
type Size = Omit<PhiConfig, "vocabSize" | "contextLength" | "ropeTheta" | "layerNormEps">;

const SIZES = {
  nano: small(2, 4, 16),
  micro: small(5, 5, 32),
  mini: small(6, 8, 32),
  small: small(8, 8, 64),
  base: small(12, 12, 64),
  "phi-1-small": { ...small(20, 16, 64), rotaryDims: 32 },
  ...PHI_PRESETS,
} as const satisfies Record<string, Size>;

const NAMES = Object.keys(SIZES) as [keyof typeof SIZES, ...(keyof typeof SIZES)[]];
const DEFAULT_CONTEXT_LENGTH = 512;

const size = z.int().min(1);

/** Under the names of config.json. */
export const SHAPE_OPTIONS = {
  size: z.enum(NAMES).optional().describe("of a new model"),
  modelConfig: z
    .string()
    .min(1)
    .optional()
    .describe("a config.json with the shape of a new model")
    .meta({ placeholder: "file" }),
  hiddenSize: size.optional().describe("D, the width of the model"),
  numHiddenLayers: size.optional().describe("L"),
  numAttentionHeads: size.optional().describe("N"),
  intermediateSize: z.int().min(0).optional().describe("F, the width of MLPs; 0: attention only"),
  maxPositionEmbeddings: z.int().min(2).optional().describe("tokens of the context"),
} as const;
export type ShapeOptions = z.output<z.ZodObject<typeof SHAPE_OPTIONS>>;

/** Ids of a vocabulary are padded to a multiple of this: products and the loss are faster. */
const VOCAB_MULTIPLE = 64;

/**
 * The configuration that the options describe.
 *
 * @param from - of the model that is begun from, whose shape holds where nothing else is said
 * @param tokenizer - the vocabulary has room for it
 * @throws LabError `bad_input` where no size is named, or the vocabulary is too small; what `configFromJson` throws
 */
export async function resolveShape(
  options: ShapeOptions,
  {
    from,
    tokenizer,
  }: {
    from: PhiConfig | undefined;
    tokenizer: {
      vocabSize: number;
      bosTokenId?: number | undefined;
      eosTokenId?: number | undefined;
    };
  },
): Promise<PhiConfig> {
  const base = await baseShape(options, from, tokenizer.vocabSize);
  const { hiddenSize: width = base.width, numHiddenLayers: layers = base.layers } = options;
  // Wider models get more heads of the same size, where nobody says how many.
  const heads = options.numAttentionHeads ?? Math.max(1, Math.round(width / base.headSize));
  const headSize = width / heads;
  const mlpWidth = options.intermediateSize ?? Math.round((base.mlpWidth / base.width) * width);
  const contextLength = options.maxPositionEmbeddings ?? base.contextLength;
  const rotaryDims =
    headSize === base.headSize ? base.rotaryDims : 2 * Math.max(1, Math.round(headSize / 4));
  const { bosTokenId, eosTokenId } = tokenizer;
  const config: PhiConfig = {
    ...base,
    ...{ width, layers, heads, headSize, mlpWidth, contextLength, rotaryDims },
    ...(bosTokenId === undefined ? {} : { bosTokenId }),
    ...(eosTokenId === undefined ? {} : { eosTokenId }),
  };
  if (tokenizer.vocabSize > config.vocabSize)
    throw new LabError(
      "bad_input",
      `the tokenizer has ${formatCount(tokenizer.vocabSize)} tokens, the model a vocabulary of ${formatCount(config.vocabSize)}`,
      { hint: "Name the tokenizer that belongs to the model, or leave --tokenizer out." },
    );
  if (!Number.isInteger(headSize))
    throw new LabError("bad_input", `${heads} heads do not divide the width ${width}`, {
      hint: "Name --num-attention-heads so that they do.",
    });
  // The same checks as for a file.
  return configFromJson(toHuggingFace(config, { dtype: "f32" }), "the model's shape");
}

async function baseShape(
  { size: name, modelConfig, ...changes }: ShapeOptions,
  from: PhiConfig | undefined,
  vocabSize: number,
): Promise<PhiConfig> {
  if (modelConfig !== undefined) return readShape(modelConfig);
  const fresh = {
    vocabSize: Math.ceil(vocabSize / VOCAB_MULTIPLE) * VOCAB_MULTIPLE,
    ...{ contextLength: DEFAULT_CONTEXT_LENGTH, ropeTheta: 10_000, layerNormEps: 1e-5 },
  };
  if (name !== undefined)
    return {
      ...fresh,
      ...SIZES[name],
      ...(from && { vocabSize: from.vocabSize, contextLength: from.contextLength }),
    };
  if (from !== undefined) return from;
  if (changes.hiddenSize === undefined || changes.numHiddenLayers === undefined)
    throw new LabError("bad_input", "how large the model is to be was not said", {
      hint: `Name a --size (${NAMES.join(", ")}), --hidden-size and --num-hidden-layers, a --model-config, or a model to begin from (--init-from).`,
    });
  return { ...fresh, ...SIZES.small };
}

async function readShape(file: string): Promise<PhiConfig> {
  const text = await readFile(file, "utf8").catch((error: unknown) => {
    throw LabError.from(error);
  });
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw new LabError("bad_input", `${file} is not JSON`, { cause: error });
  }
  return configFromJson(json, file);
}
