/**
 * The flags that commands share, each with one meaning and one schema (DESIGN.md: Common ground). A command takes those
 * it needs: `options: { ...flags("model", "seed", "maxTokens"), echo: z.boolean()… }`.
 */
import { z } from "zod";
import { SETTING_SCHEMAS } from "../base/settings.ts";

const { model, mode, device, threads, seed } = SETTING_SCHEMAS;

/** Text becomes a value by its schema: lists are split at commas, and `2-5` in a list of numbers is 2, 3, 4, 5. */
export const FLAGS = {
  model: model.optional(),
  adapter: z
    .string()
    .min(1)
    .optional()
    .describe("a LoRA adapter: a name in the store, a directory or a .gguf file")
    .meta({ placeholder: "name" }),
  mode: mode.optional(),
  device: device.optional(),
  threads: threads.optional(),
  seed: seed.optional(),
  maxTokens: z
    .int()
    .min(1)
    .optional()
    .describe("tokens to make at most")
    .meta({ short: "n", placeholder: "count" }),
  temperature: z
    .number()
    .min(0)
    .max(100)
    .optional()
    .describe("0 takes the likeliest token, 1 samples as trained")
    .meta({ short: "t", placeholder: "number" }),
  tokens: z
    .array(z.int().min(0))
    .min(1)
    .optional()
    .describe("the prompt as token ids, for models without a tokenizer")
    .meta({ placeholder: "1,2,3" }),
  hook: z
    .array(z.string().min(1))
    .min(1)
    .optional()
    .describe("hook points, such as blocks.0.attn.hook_pattern")
    .meta({ placeholder: "names" }),
  layer: z
    .array(z.int().min(0))
    .min(1)
    .optional()
    .describe("layers, counted from 0")
    .meta({ placeholder: "0,3-5" }),
  position: z
    .array(z.int())
    .min(1)
    .optional()
    .describe("token positions, counted from 0; -1 is the last")
    .meta({ placeholder: "0,-1" }),
  tasks: z
    .array(z.string().min(1))
    .min(1)
    .optional()
    .describe("names of tasks")
    .meta({ placeholder: "names" }),
  data: z
    .string()
    .min(1)
    .optional()
    .describe("folder or file of data")
    .meta({ placeholder: "path" }),
  limit: z
    .int()
    .min(1)
    .optional()
    .describe("items at most; the result says how many there were")
    .meta({ placeholder: "count" }),
  out: z
    .string()
    .min(1)
    .optional()
    .describe("where to write")
    .meta({ short: "o", placeholder: "path" }),
} as const;

/** Tokens that a text gets where nobody says; base models seldom end by themselves. */
export const DEFAULT_MAX_TOKENS = 256;

export type FlagName = keyof typeof FLAGS;

/** The named shared flags, as schemas of a command's options. */
export function flags<const N extends FlagName>(...names: N[]): Pick<typeof FLAGS, N> {
  return Object.fromEntries(names.map((name) => [name, FLAGS[name]])) as Pick<typeof FLAGS, N>;
}
