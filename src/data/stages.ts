/** The stages that recipes can name, with their options. */
import { z } from "zod";
import { LabError } from "../base/errors.ts";
import { checkObject } from "../base/schema.ts";
import { didYouMean, listOf } from "../base/suggest.ts";
import { cleanOptions, createClean } from "./clean/stage.ts";
import { createDecontaminate, decontaminateOptions } from "./decontaminate/stage.ts";
import { createDedup, dedupOptions } from "./dedup/stage.ts";
import { classifyOptions, createClassify } from "./judge/classify-stage.ts";
import { createSelect, selectOptions } from "./judge/select-stage.ts";
import { createDsir, dsirOptions } from "./mix/dsir.ts";
import { createPerplexity, perplexityOptions } from "./mix/perplexity.ts";
import { createTop, topOptions } from "./mix/top.ts";
import type { Stage } from "./stage.ts";

/** How a stage is made from what a recipe says. */
export interface StageEntry {
  options: z.ZodObject;
  create: (options: never) => Stage | Promise<Stage>;
}

const STAGES: Readonly<Record<string, StageEntry>> = {
  clean: { options: cleanOptions, create: createClean },
  dedup: { options: dedupOptions, create: createDedup },
  decontaminate: { options: decontaminateOptions, create: createDecontaminate },
  classify: { options: classifyOptions, create: createClassify },
  dsir: { options: dsirOptions, create: createDsir },
  perplexity: { options: perplexityOptions, create: createPerplexity },
  top: { options: topOptions, create: createTop },
  select: { options: selectOptions, create: createSelect },
};

/** `{use: "clean", …}`: the stage's name and its options. */
export const stageInputSchema = z.looseObject({ use: z.string().min(1) });
export type StageInput = z.output<typeof stageInputSchema>;

/** Throws `bad_input` for a stage that nobody knows, and for options that it does not take. */
export async function createStage({ use, ...given }: StageInput): Promise<Stage> {
  const entry = Object.hasOwn(STAGES, use) ? STAGES[use] : undefined;
  const names = Object.keys(STAGES);
  if (entry === undefined)
    throw new LabError("bad_input", `there is no stage called ${use}`, {
      hint: didYouMean(use, names) ?? `There are ${listOf(names, "and")}.`,
    });
  return entry.create(checkObject(entry.options, given, { what: `stage ${use}` }) as never);
}
