/** What reading texts with a dictionary takes: to survey its features, or to measure it. */
import { z } from "zod";
import { SETTING_SCHEMAS } from "../base/settings.ts";

const count = (what: string) => z.int().min(2).describe(what).meta({ placeholder: "count" });

export const READING_OPTIONS = {
  readTokens: count("tokens of the texts to read at most").default(20_000),
  contextSize: count("tokens that the model reads in one piece").default(128),
} as const;

export const readingArguments = z.strictObject({
  ...READING_OPTIONS,
  /** A folder. */
  dictionary: z.string(),
  data: z.array(z.string()).min(1),
  model: z.string().optional(),
  mode: SETTING_SCHEMAS.mode.optional(),
  device: SETTING_SCHEMAS.device.optional(),
  threads: z.int().min(1).optional(),
});
export type ReadingArguments = z.output<typeof readingArguments>;
