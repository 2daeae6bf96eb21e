/** What fine-tuning takes, under the field's names: flags, a YAML recipe and a job's arguments alike. */
import { z } from "zod";
import { SETTING_SCHEMAS } from "../base/settings.ts";
import { PROMPT_FORMATS } from "../generate/prompt.ts";
import { DATA_OPTIONS } from "./data-options.ts";
import { DATA_FORMS } from "./data/forms.ts";
import { LOOP_OPTIONS } from "./options.ts";
import { PREFERENCE_LOSSES } from "./preference.ts";

/** - `sft`: learn answers; - `dpo`: prefer one answer of a pair to the other */
const RECIPES = ["sft", "dpo"] as const;
export type FinetuneRecipe = (typeof RECIPES)[number];

const ADAPTER_OPTIONS = {
  full: z.boolean().default(false).describe("train all weights, not an adapter beside them"),
  loraRank: z.int().min(1).max(4096).default(16).describe("r, the rank of the adapter's matrices"),
  loraAlpha: z
    .number()
    .positive()
    .optional()
    .describe("the adapter's scale, times r; twice the rank where left out"),
  loraDropout: z
    .number()
    .min(0)
    .max(0.99)
    .default(0.05)
    .describe("probability that the adapter does not see a value"),
  loraTarget: z
    .array(z.string().min(1))
    .min(1)
    .default(["all-linear"])
    .describe("layers that get one: names such as q_proj or mlp.fc1, or all-linear"),
  useRslora: z.boolean().default(false).describe("scale by α/√r (rsLoRA)"),
} as const;

const PREFERENCE_OPTIONS = {
  beta: z.number().positive().default(0.1).describe("dpo: larger keeps closer to the model"),
  lossType: z.enum(PREFERENCE_LOSSES).default("sigmoid").describe("dpo: what a pair costs"),
  labelSmoothing: z
    .number()
    .min(0)
    .max(0.49)
    .default(0)
    .describe("dpo: share of pairs that are the wrong way round (cDPO)"),
} as const;

const TEMPLATE_OPTIONS = {
  form: z.enum(DATA_FORMS).optional().describe("form of the rows; told from their columns"),
  columns: z
    .record(z.string(), z.string())
    .default({})
    .describe("a form's columns and the file's names for them")
    .meta({ placeholder: "prompt:question" }),
  format: z.enum(PROMPT_FORMATS).optional().describe("prompt format, other than the form's own"),
  maskHistory: z.boolean().default(false).describe("learn a conversation's last answer only"),
  trainOnPrompts: z.boolean().default(false).describe("learn prompts as well"),
} as const;

export const FINETUNE_OPTIONS = {
  ...DATA_OPTIONS,
  packing: DATA_OPTIONS.packing.default("none"),
  recipe: z
    .enum(RECIPES)
    .optional()
    .describe("sft learns answers, dpo prefers one to another; told from the data"),
  ...ADAPTER_OPTIONS,
  ...PREFERENCE_OPTIONS,
  ...TEMPLATE_OPTIONS,
  ...LOOP_OPTIONS,
  learningRate: LOOP_OPTIONS.learningRate
    .optional()
    .describe("at its peak; sft 2e-4, full 2e-5; dpo 5e-5, full 1e-6"),
  numTrainEpochs: LOOP_OPTIONS.numTrainEpochs
    .removeDefault()
    .default(3)
    .describe("times through the data"),
  weightDecay: LOOP_OPTIONS.weightDecay.removeDefault().default(0).describe("of matrices"),
} as const;

const file = z.string().min(1);

export const finetuneArguments = z.strictObject({
  ...FINETUNE_OPTIONS,
  model: file,
  /** Where the adapter or model goes; `model` in the run's folder where left out. */
  out: file.optional(),
  seed: SETTING_SCHEMAS.seed,
  device: SETTING_SCHEMAS.device,
  threads: SETTING_SCHEMAS.threads.optional(),
});
export type FinetuneArguments = z.output<typeof finetuneArguments>;

const LEARNING_RATES: Record<FinetuneRecipe, { adapter: number; full: number }> = {
  sft: { adapter: 2e-4, full: 2e-5 },
  dpo: { adapter: 5e-5, full: 1e-6 },
};

/** The learning rate that was asked for, or the recipe's own. */
export function learningRateOf(
  { learningRate, full }: Pick<FinetuneArguments, "learningRate" | "full">,
  recipe: FinetuneRecipe,
): number {
  return learningRate ?? LEARNING_RATES[recipe][full ? "full" : "adapter"];
}
