/** How a circuit is looked for, as a command and a request have it. */
import { z } from "zod";
import { SETTING_SCHEMAS } from "../../base/settings.ts";
import { ABLATIONS } from "../ablation.ts";
import { TASK_NAMES } from "../tasks/index.ts";
import { EDGE_METHODS } from "./edges.ts";

export const SEARCH_OPTIONS = {
  method: z
    .enum([...EDGE_METHODS, "acdc"])
    .default("eap-ig")
    .describe("how"),
  edges: z
    .int()
    .min(1)
    .default(50)
    .describe("edges to keep, the strongest; of acdc nothing")
    .meta({ placeholder: "count" }),
  threshold: z
    .number()
    .positive()
    .default(0.01)
    .describe("acdc: nats that an edge must be worth")
    .meta({ placeholder: "number" }),
  steps: z
    .int()
    .min(1)
    .default(5)
    .describe("eap-ig: gradients on the way between the prompts")
    .meta({ placeholder: "count" }),
  ablation: z
    .enum(ABLATIONS)
    .default("resample")
    .describe("what edges that are left out carry: the counterpart's values, their mean, or 0"),
} as const;

export const taskName = z.enum(TASK_NAMES);

export const searchArguments = z.strictObject({
  ...SEARCH_OPTIONS,
  task: taskName.optional(),
  clean: z.string().optional(),
  corrupted: z.string().optional(),
  answer: z.string().optional(),
  against: z.string().optional(),
  limit: z.int().min(1).default(8),
  seed: z.int().min(0).default(0),
  model: z.string().optional(),
  mode: SETTING_SCHEMAS.mode.optional(),
  device: SETTING_SCHEMAS.device.optional(),
  threads: z.int().min(1).optional(),
});
export type SearchArguments = z.output<typeof searchArguments>;
