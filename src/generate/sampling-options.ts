/** How the next token is chosen, as options: one schema for the library, the command line, the server and the studio. */
import { z } from "zod";

import { freshSeed } from "../base/random.ts";
import { checkObject } from "../base/schema.ts";
import { SETTING_SCHEMAS } from "../base/settings.ts";

const share = z.number().min(0).max(1);

/** Every option, with the names of OpenAI's and Hugging Face's interfaces. */
export const SAMPLING_SCHEMAS = {
  maxTokens: z
    .int()
    .min(1)
    .optional()
    .describe("tokens to make at most; absent: as far as the context reaches")
    .meta({ short: "n", placeholder: "count" }),
  temperature: z
    .number()
    .min(0)
    .max(100)
    .optional()
    .describe(
      "0 takes the likeliest token, 1 samples as trained; absent: 0, or 1 where another option narrows the choice",
    )
    .meta({ short: "t", placeholder: "number" }),
  topK: z
    .int()
    .min(0)
    .default(0)
    .describe("sample from this many of the likeliest tokens; 0: from all")
    .meta({ placeholder: "count" }),
  typicalP: share
    .default(1)
    .describe(
      "sample from the tokens whose surprise is nearest the expected one, up to this probability",
    )
    .meta({ placeholder: "share" }),
  topP: share
    .default(1)
    .describe("sample from the likeliest tokens, up to this probability")
    .meta({ placeholder: "share" }),
  minP: share
    .default(0)
    .describe("sample from tokens with at least this share of the likeliest one's probability")
    .meta({ placeholder: "share" }),
  repetitionPenalty: z
    .number()
    .positive()
    .max(100)
    .default(1)
    .describe("divides (or, below 0, multiplies) the logits of all tokens in the text so far")
    .meta({ placeholder: "factor" }),
  frequencyPenalty: z
    .number()
    .min(-2)
    .max(2)
    .default(0)
    .describe("subtracted from a token's logit for each time it was generated")
    .meta({ placeholder: "number" }),
  presencePenalty: z
    .number()
    .min(-2)
    .max(2)
    .default(0)
    .describe("subtracted from the logits of tokens that were generated")
    .meta({ placeholder: "number" }),
  logitBias: z
    .record(z.string().regex(/^\d+$/, "expected token ids as keys"), z.number().min(-100).max(100))
    .default({})
    .describe("added to the logits of these token ids")
    .meta({ placeholder: "id:number,…" }),
  seed: SETTING_SCHEMAS.seed.optional(),
  stop: z
    .array(
      z
        .string()
        .min(1)
        .regex(/^\P{Surrogate}*$/u, "expected whole characters"),
    )
    .default([])
    .describe("text that ends the generation and is left out; several: --stop once for each")
    .meta({ placeholder: "text", verbatim: true }),
  logprobs: z
    .int()
    .min(0)
    .max(1000)
    .default(0)
    .describe("report this many of the likeliest tokens at each place")
    .meta({ placeholder: "count" }),
} as const;

const samplingSchema = z.object(SAMPLING_SCHEMAS);

/** What a caller may say; everything can be left out. */
export type SamplingOptions = z.input<typeof samplingSchema>;

/** What holds then: everything decided, the seed too, so that a result can be repeated. */
export type SamplingSettings = z.output<typeof samplingSchema> & {
  temperature: number;
  seed: number;
};

/**
 * Checks the options and decides what they leave open. Without a temperature the likeliest token is taken, as in the
 * examples of the Phi cards, unless an option asks for sampling from a part of the tokens; without a seed one is drawn.
 * Settings pass unchanged. Other keys of `options` are none of its business. Throws `bad_input`.
 */
export function resolveSampling(options: SamplingOptions): SamplingSettings {
  const checked = checkObject(samplingSchema, options, { what: "sampling options" });
  const { topK, topP, minP, typicalP } = checked;
  const narrowed = topK > 0 || topP < 1 || minP > 0 || typicalP < 1;
  return {
    ...checked,
    temperature: checked.temperature ?? (narrowed ? 1 : 0),
    seed: checked.seed ?? freshSeed(),
  };
}
