/** Of the data that documents and answers are read from: schemas of flags, YAML recipes and a job's arguments alike. */
import { z } from "zod";
import { OVERFLOWS } from "./data/overflow.ts";
import { PACKINGS } from "./data/packing.ts";

const paths = z.array(z.string().min(1));

export const DATA_OPTIONS = {
  data: paths
    .min(1)
    .describe("files or folders: .jsonl, .txt, .md, .py, each also as .gz")
    .meta({ placeholder: "paths" }),
  evalData: paths.default([]).describe("data to evaluate on").meta({ placeholder: "paths" }),
  valSize: z
    .number()
    .positive()
    .optional()
    .describe("examples of the data to hold out for evaluation; below 1 a share of them"),
  maxSeqLength: z
    .int()
    .min(2)
    .optional()
    .describe("tokens of a sequence at most; the model's context where left out"),
  packing: z.enum(PACKINGS).describe("how examples share sequences"),
  attendAcross: z
    .boolean()
    .default(false)
    .describe("let examples that share a sequence see each other"),
  onOverflow: z
    .enum(OVERFLOWS)
    .default("error")
    .describe("what becomes of examples that are longer and not wrapped"),
  maxSamples: z.int().min(1).optional().describe("examples to read at most"),
  skipBadRows: z.boolean().default(false).describe("put rows that are wrong aside, and count them"),
} as const;
export type DataOptions = z.output<z.ZodObject<typeof DATA_OPTIONS>>;
