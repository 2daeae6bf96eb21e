/** What the laboratory's endpoints take. Hooks, edits and metrics are the library's (`docs/hooks.md`). */
import { z } from "zod";
import { ATTRIBUTION_UNITS, METRICS, metricSchema, PATCH_SITES } from "../../interpret/index.ts";
import type { Capture, Edit } from "../../interpret/index.ts";
import { completionRequest } from "../openai/schemas.ts";

const MAX_PROMPTS = 64;
const MAX_CAPTURES = 4096;
const MAX_CONTRAST = 512;

const model = completionRequest.shape.model;
const index = z.int().min(0);
const ids = z.array(index).min(1);
const prompt = z.union([z.string(), ids]).describe("a text, or token ids");
const prompts = z.union([
  prompt,
  z.array(z.string()).min(1).max(MAX_PROMPTS),
  z.array(ids).min(1).max(MAX_PROMPTS),
]);
const answer = z
  .union([z.string().min(1), index])
  .describe("a token: its text with its space, or its id");

const positions = z.union([
  z.array(z.int()).min(1),
  z.strictObject({ from: z.int().optional(), to: z.int().optional() }),
]);
const hook = z.string().min(1).max(200);

const capture = z.union([
  hook,
  z.strictObject({
    at: hook,
    positions: positions.optional(),
    heads: z.array(index).min(1).optional(),
    units: z.array(index).min(1).optional(),
    reduce: z
      .union([
        z.enum(["norm", "mean"]),
        z.strictObject({ topK: z.int().min(1) }),
        z.strictObject({ project: z.array(z.array(z.number())).min(1) }),
      ])
      .optional(),
    as: z.string().min(1).max(200).optional(),
  }),
]) as unknown as z.ZodType<Capture, Capture>;

/** Checked by the library against the model; functions are none of JSON's. */
const edits = z
  .array(
    z.looseObject({
      at: hook,
      op: z.enum(["zero", "replace", "add", "scale", "projectOut", "clamp"]),
    }),
  )
  .max(1024)
  .default([])
  .describe("what to change on the way, in this order") as unknown as z.ZodType<
  Edit[],
  Edit[] | undefined
>;

export const captureRequest = z.strictObject({
  model,
  prompts,
  capture: z
    .array(capture)
    .max(MAX_CAPTURES)
    .default([])
    .describe("hooks to keep, * for every layer"),
  edits,
  metric: metricSchema.optional().describe("a number of each prompt's logits"),
  gradients: z
    .array(capture)
    .max(MAX_CAPTURES)
    .default([])
    .describe("hooks to differentiate the metric by"),
});

export const lensRequest = z.strictObject({
  model,
  prompt,
  answer: answer.optional(),
  top: z.int().min(1).max(50).default(5).describe("likeliest tokens of each layer"),
  positions: z.array(z.int()).min(1).optional(),
});

export const attentionRequest = z.strictObject({
  model,
  prompt,
  layers: z.array(index).min(1).optional(),
  heads: z.array(index).min(1).optional(),
  size: z
    .int()
    .min(8)
    .optional()
    .describe("rows and columns at most, for thumbnails: each the largest value of a square"),
  dtype: z.enum(["f32", "u8"]).default("f32").describe("u8: 255 is a share of 1"),
});

export const attributeRequest = z.strictObject({
  model,
  prompt,
  answer,
  against: answer.optional().describe("attribute the difference from this token's logit"),
  unit: z.enum(ATTRIBUTION_UNITS).default("head").describe("what counts as a part"),
  position: z.int().default(-1).describe("whose next token is asked about; from the end below 0"),
  limit: z.int().min(1).default(4096).describe("parts to send, the largest; the others are summed"),
  seed: index.default(0).describe("of the random direction beside every part"),
});

export const headsRequest = z.strictObject({ model, prompt });

export const patchRequest = z.strictObject({
  model,
  clean: prompt.describe("the prompt whose answer is right"),
  corrupted: prompt.describe("its counterpart, of equally many tokens"),
  answer,
  against: answer.describe("the token that is wrong"),
  site: z.enum(PATCH_SITES as [(typeof PATCH_SITES)[number]]).describe("what is patched"),
  over: z.enum(["position", "head", "position+head"]).optional(),
  direction: z.enum(["denoise", "noise"]).default("denoise"),
  metric: z.enum(METRICS).default("logit_diff"),
  layers: z.array(index).min(1).optional(),
  control: z.boolean().default(true).describe("random changes of equal size beside every patch"),
  seed: index.default(0),
  stream: z.boolean().default(false).describe("send places as they are done, then the result"),
});

export const vectorRequest = z.strictObject({
  model,
  positive: z.array(prompt).min(1).max(MAX_PROMPTS),
  negative: z.array(prompt).min(1).max(MAX_PROMPTS),
  layer: index.describe("the block after which the stream is read"),
  method: z.enum(["means", "pairs"]).default("means"),
  seed: index.default(0).describe("of the random direction of equal length that comes with it"),
});

export const doseRequest = z.strictObject({
  model,
  prompts: z
    .array(z.strictObject({ prompt, answer, against: answer }))
    .min(1)
    .max(MAX_PROMPTS)
    .describe("what is steered, and the two tokens that are compared after it"),
  layer: index.describe("the block after which the vector is added"),
  values: z.array(z.number()).min(1).describe("the vector, as /v1/lab/vector gives it"),
  strengths: z.array(z.number()).min(1).max(64).default([-2, -1, -0.5, 0, 0.5, 1, 2]),
  metric: z.enum(METRICS).default("logit_diff"),
  controls: z.int().min(1).max(16).default(3).describe("random directions of equal length"),
  seed: index.default(0),
});

export const directionRequest = z.strictObject({
  model,
  positive: z
    .array(z.string().min(1))
    .min(2)
    .max(MAX_CONTRAST)
    .describe("prompts with a behaviour"),
  negative: z.array(z.string().min(1)).min(2).max(MAX_CONTRAST).describe("prompts without it"),
  begins: z
    .array(z.string().min(1))
    .min(1)
    .max(16)
    .default([" I", " Sorry"])
    .describe("how an answer with the behaviour begins"),
  positions: z
    .array(z.int().max(-1))
    .min(1)
    .max(16)
    .default([-1])
    .describe("places that are read, from the end of the prompt"),
  maxDivergence: z
    .number()
    .min(0)
    .default(0.1)
    .describe("nats that other prompts may be moved by when it is taken out"),
  minAddedScore: z
    .number()
    .default(0)
    .describe("log odds that other prompts are to come to when it is added"),
  layer: index.optional().describe("take this block's direction instead of the best"),
  seed: index.default(0).describe("of the random direction as long that stands beside it"),
  stream: z.boolean().default(false).describe("send how far it is, then the result"),
});

const { temperature, top_p, top_k, min_p, typical_p, repetition_penalty } = completionRequest.shape;
const { frequency_penalty, presence_penalty, logit_bias, seed, stop } = completionRequest.shape;
export const generateRequest = z.strictObject({
  ...{ model, prompt, edits, temperature, top_p, top_k, min_p, typical_p, repetition_penalty },
  ...{ frequency_penalty, presence_penalty, logit_bias, seed, stop },
  max_tokens: z.int().min(1).max(4096).default(64),
  logprobs: z.int().min(0).max(100).default(0).describe("likeliest tokens at each place"),
});

export type LabArguments<S extends z.ZodType> = Omit<z.output<S>, "model">;
