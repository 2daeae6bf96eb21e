/** What every recipe takes, under the field's names: schemas of flags, of YAML recipes and of a job's arguments alike. */
import { z } from "zod";
import { SCHEDULES } from "../tensor/schedules.ts";

const count = z.int().min(1);
const share = z.number().min(0).max(1);

/** Of the loop: how long, how fast, how often to look. */
export const LOOP_OPTIONS = {
  perDeviceTrainBatchSize: count.default(8).describe("sequences computed together"),
  gradientAccumulationSteps: count.default(1).describe("batches of one step"),
  numTrainEpochs: count.default(1).describe("times through the data"),
  maxSteps: count.optional().describe("steps, whatever the epochs"),
  learningRate: z.number().positive().max(10).describe("at its peak"),
  lrSchedulerType: z.enum(SCHEDULES).default("cosine").describe("how it falls"),
  warmupSteps: z.int().min(0).optional().describe("steps in which it rises from 0"),
  warmupRatio: share.default(0.03).describe("the same as a share of all steps"),
  minLrRatio: share.default(0.1).describe("where it ends, as a share of the peak"),
  optim: z.enum(["adamw", "muon", "sgd"]).default("adamw").describe("muon: for hidden matrices"),
  weightDecay: z.number().min(0).max(10).default(0.1).describe("of matrices; vectors have none"),
  adamBeta1: share.default(0.9).describe("decay of the mean gradient"),
  adamBeta2: share.default(0.95).describe("decay of its mean square"),
  adamEpsilon: z.number().positive().max(1).default(1e-8).describe("added to the root of that"),
  maxGradNorm: z.number().positive().default(1).describe("larger gradients are shrunk to it"),
  gradientCheckpointing: z
    .boolean()
    .default(false)
    .describe("compute blocks again for their gradients: less memory, a third more time"),
  evalSteps: count.default(100).describe("steps between evaluations"),
  saveSteps: count.default(500).describe("steps between checkpoints"),
  saveTotalLimit: count.default(2).describe("checkpoints to keep, the best not counted"),
  loadBestModelAtEnd: z.boolean().default(false).describe("end with the best checkpoint's weights"),
  samplePrompts: z
    .array(z.string())
    .default([])
    .describe("a prompt to continue at each evaluation; may be given often")
    .meta({ verbatim: true }),
  sampleTokens: count.default(48).describe("tokens of a sample at most"),
  sampleAttention: z
    .boolean()
    .default(false)
    .describe("keep where each head looks on the first sample prompt, too"),
  tensorboard: z.boolean().default(false).describe("write event files into the run's folder"),
} as const;

export type LoopOptions = z.output<z.ZodObject<typeof LOOP_OPTIONS>>;
