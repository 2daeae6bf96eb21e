/** What the OpenAI-compatible endpoints take. One schema checks a request, and describes it in the OpenAPI document. */
import { z } from "zod";
import { PROMPT_FORMATS } from "../../generate/prompt.ts";
import { SAMPLING_SCHEMAS, type SamplingOptions } from "../../generate/sampling-options.ts";

const MAX_CHOICES = 128;
const MAX_PROMPTS = 256;

const tokenIds = z.array(z.int().min(0)).min(1);

/** A client that means "not given" often sends null. */
function orNull<S extends z.ZodType>(schema: S): z.ZodOptional<z.ZodNullable<S>> {
  return schema.nullable().optional();
}

const modelName = orNull(z.string().max(300)).describe(
  "a name that /v1/models lists, also with +adapter; by default the first model",
);

const stopText = z.string().min(1);

/** Options of sampling, under OpenAI's names and, below, philab's own. */
const sampling = {
  temperature: orNull(z.number().min(0).max(100)).describe(
    "0 takes the likeliest token; default 1",
  ),
  top_p: orNull(z.number().min(0).max(1)).describe(SAMPLING_SCHEMAS.topP.description ?? ""),
  n: orNull(z.int().min(1).max(MAX_CHOICES)).describe("choices for each prompt"),
  stop: orNull(z.union([stopText, z.array(stopText).max(16)])).describe(
    "texts that end the answer and are left out",
  ),
  seed: orNull(z.int().min(0)).describe(
    "the same seed gives the same texts, alone or beside others",
  ),
  frequency_penalty: orNull(z.number().min(-2).max(2)),
  presence_penalty: orNull(z.number().min(-2).max(2)),
  logit_bias: orNull(z.record(z.string().regex(/^\d+$/), z.number().min(-100).max(100))),
  stream: orNull(z.boolean()).describe("send tokens as they come"),
  stream_options: orNull(z.strictObject({ include_usage: z.boolean().optional() })),
  user: orNull(z.string().max(512)).describe(
    "free slots go to the user that has fewest texts in work",
  ),
  top_k: orNull(z.int().min(0)).describe(SAMPLING_SCHEMAS.topK.description ?? ""),
  min_p: orNull(z.number().min(0).max(1)).describe(SAMPLING_SCHEMAS.minP.description ?? ""),
  typical_p: orNull(z.number().min(0).max(1)).describe(SAMPLING_SCHEMAS.typicalP.description ?? ""),
  repetition_penalty: orNull(z.number().gt(0).max(100)).describe(
    SAMPLING_SCHEMAS.repetitionPenalty.description ?? "",
  ),
};

/** Fields of OpenAI's that mean nothing here; their names come back in the header `x-ignored-params`. */
const ignored = {
  metadata: z.unknown().optional(),
  store: z.unknown().optional(),
  service_tier: z.unknown().optional(),
  parallel_tool_calls: z.unknown().optional(),
  prompt_cache_key: z.unknown().optional(),
  safety_identifier: z.unknown().optional(),
};
export const IGNORED_KEYS = Object.keys(ignored);

export const completionRequest = z.strictObject({
  model: modelName,
  prompt: z
    .union([
      z.string(),
      tokenIds,
      z.array(z.string()).min(1).max(MAX_PROMPTS),
      z.array(tokenIds).min(1).max(MAX_PROMPTS),
    ])
    .describe("a text, token ids, or a list of either"),
  max_tokens: orNull(z.int().min(0)).describe(
    "tokens to make at most; 0 with echo reads only; default 16",
  ),
  echo: orNull(z.boolean()).describe("begin the answer with the prompt, and its log-probabilities"),
  logprobs: orNull(z.int().min(0).max(100)).describe(
    "report so many of the likeliest tokens at each place",
  ),
  best_of: orNull(z.int().min(1).max(MAX_CHOICES)).describe(
    "make so many choices, and answer with the likeliest n",
  ),
  suffix: orNull(z.literal("")),
  ...sampling,
  ...ignored,
});
export type CompletionRequest = z.output<typeof completionRequest>;

const contentText = z.union([
  z.string(),
  z.array(z.strictObject({ type: z.literal("text"), text: z.string() })).min(1),
]);

const message = z.strictObject({
  role: z.enum(["system", "developer", "user", "assistant"]),
  content: contentText,
  name: z.string().optional(),
});
export type ChatMessage = z.output<typeof message>;

export const chatRequest = z.strictObject({
  model: modelName,
  messages: z.array(message).min(1).max(1000),
  max_tokens: orNull(z.int().min(1)).describe("as max_completion_tokens"),
  max_completion_tokens: orNull(z.int().min(1)).describe(
    "tokens to make at most; default: as far as the context reaches",
  ),
  logprobs: orNull(z.boolean()),
  top_logprobs: orNull(z.int().min(0).max(20)),
  response_format: orNull(z.strictObject({ type: z.literal("text") })).describe("only text"),
  prompt_format: orNull(z.enum(PROMPT_FORMATS)).describe(
    "how the conversation becomes a prompt, of the formats of the Phi cards; default chat (Alice and Bob)",
  ),
  ...sampling,
  ...ignored,
});
export type ChatRequest = z.output<typeof chatRequest>;

export const embeddingRequest = z.strictObject({
  model: modelName,
  input: z.union([
    z.string().min(1),
    tokenIds,
    z.array(z.string().min(1)).min(1).max(MAX_PROMPTS),
    z.array(tokenIds).min(1).max(MAX_PROMPTS),
  ]),
  encoding_format: orNull(z.enum(["float", "base64"])),
  dimensions: orNull(z.int().min(1)).describe("the first so many values, scaled to length 1 again"),
  user: orNull(z.string().max(512)),
});

export const tokenizeRequest = z.strictObject({
  model: modelName,
  content: z.string(),
  add_special: z
    .boolean()
    .default(false)
    .describe("with the start token, where the model wants one"),
  parse_special: z.boolean().default(false).describe("read special tokens that the text spells"),
  with_pieces: z
    .boolean()
    .default(false)
    .describe("each token's text, or its bytes where they are none"),
});

export const detokenizeRequest = z.strictObject({
  model: modelName,
  tokens: z.array(z.int().min(0)),
});

/** The prompts of a request, one by one: a list of numbers is one prompt. */
export function promptsOf(prompt: CompletionRequest["prompt"]): (string | number[])[] {
  if (typeof prompt === "string") return [prompt];
  return typeof prompt[0] === "number" ? [prompt as number[]] : (prompt as (string | number[])[]);
}

/** Options of the sampler; `maxTokens` undefined is as far as the context reaches. */
export function samplingOf(
  request: Pick<CompletionRequest, keyof typeof sampling>,
  { maxTokens, logprobs }: { maxTokens: number | undefined; logprobs: number },
): SamplingOptions {
  const { stop, logit_bias: logitBias } = request;
  return {
    ...{ temperature: request.temperature ?? 1, logprobs },
    ...given({
      maxTokens,
      topP: request.top_p,
      topK: request.top_k,
      minP: request.min_p,
      typicalP: request.typical_p,
      repetitionPenalty: request.repetition_penalty,
      frequencyPenalty: request.frequency_penalty,
      presencePenalty: request.presence_penalty,
      logitBias,
      seed: request.seed,
      stop: typeof stop === "string" ? [stop] : stop,
    }),
  };
}

function given(values: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(values).filter(([, value]) => value !== undefined && value !== null),
  );
}
