/** What a person chooses about the training of a dictionary, under SAELens' names where it has one. */
import { z } from "zod";
import { SETTING_SCHEMAS } from "../base/settings.ts";
import { ARCHITECTURES } from "./dictionary-fit.ts";
import { FILE_TYPES, type FileType } from "./sae-lens.ts";

const count = (what: string) => z.int().min(1).describe(what).meta({ placeholder: "count" });
const number = (what: string) => z.number().describe(what).meta({ placeholder: "number" });

export const DICTIONARY_OPTIONS = {
  hook: z
    .string()
    .min(1)
    .describe(
      "what is taken apart, such as blocks.2.hook_resid_post; of a transcoder blocks.2.hook_mlp_out",
    )
    .meta({ placeholder: "name" }),
  transcoder: z
    .boolean()
    .default(false)
    .describe("says the MLP's output by its input (Phi's hook_ln1_out), not by itself"),
  architecture: z
    .enum(ARCHITECTURES)
    .optional()
    .describe("topk by default, batchtopk for transcoders, which SAELens knows as jumprelu"),
  k: count("features of a token; of jumprelu nothing").default(32),
  expansionFactor: z
    .number()
    .positive()
    .default(8)
    .describe("features for each value of the hook")
    .meta({ placeholder: "number" }),
  trainingTokens: count("tokens to learn from").default(1_000_000),
  trainBatchSizeTokens: count("tokens of a step").default(1024),
  contextSize: count("tokens that the model reads in one piece").default(128),
  storeBatchSizePrompts: count("pieces that the model reads together").default(8),
  roundTokens: count("tokens whose activations are in memory together").default(65_536),
  keepActivations: z
    .boolean()
    .default(false)
    .describe("keeps activations in the run's folder, for the passes after the first"),
  lr: number("learning rate at its highest").positive().default(1e-3),
  lrWarmUpSteps: z
    .int()
    .min(0)
    .default(0)
    .describe("steps until it is reached")
    .meta({ placeholder: "count" }),
  lrDecayShare: number("part of the steps, at the end, in which it falls to 0")
    .min(0)
    .max(1)
    .default(0.2),
  auxLossCoefficient: number("what dead features' loss counts for (AuxK)")
    .min(0)
    .default(1 / 32),
  deadFeatureWindow: count("steps without firing after which a feature is dead").default(500),
  l0Coefficient: number("jumprelu: what a feature that fires costs").min(0).default(1),
  l0WarmUpShare: number("jumprelu: part of the steps in which that cost rises")
    .min(0)
    .max(1)
    .default(0.1),
  jumpreluBandwidth: number("jumprelu: width of the rectangle").positive().default(0.05),
  jumpreluInitThreshold: number("jumprelu: where thresholds begin").positive().default(0.01),
  valSize: number("held out to measure on: documents, or below 1 their share")
    .positive()
    .default(0.05),
  evalTokens: count("tokens to measure on at most").default(20_000),
  dtype: z
    .enum(Object.keys(FILE_TYPES) as [FileType, ...FileType[]])
    .default("float32")
    .describe("how the weights are kept; what is measured has them so"),
  saveSteps: count("steps between two checkpoints").default(500),
  logSteps: count("steps between two lines of metrics").default(20),
} as const;

export const dictionaryArguments = z.strictObject({
  ...DICTIONARY_OPTIONS,
  data: z.array(z.string()).min(1),
  model: z.string().optional(),
  adapter: z.string().optional(),
  mode: SETTING_SCHEMAS.mode.optional(),
  device: SETTING_SCHEMAS.device.optional(),
  threads: z.int().min(1).optional(),
  seed: z.int().min(0).default(0),
  out: z.string().optional(),
});
export type DictionaryArguments = z.output<typeof dictionaryArguments>;
