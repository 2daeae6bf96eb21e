/** The flags of commands whose answers a judge can look at. */
import { z } from "zod";
import { LabError } from "../base/errors.ts";

export const JUDGE_OPTIONS = {
  judge: z
    .string()
    .min(1)
    .optional()
    .describe("a model that says of each answer whether it does what was asked")
    .meta({ placeholder: "name" }),
  judgeEndpoint: z
    .url()
    .optional()
    .describe("the judge is behind this OpenAI-compatible endpoint")
    .meta({ placeholder: "url" }),
};

/** @throws LabError `bad_input` for an endpoint without the name of a model there */
export function judgeOf({
  judge,
  judgeEndpoint,
}: {
  judge?: string | undefined;
  judgeEndpoint?: string | undefined;
}): { judge?: string; judgeEndpoint?: string } {
  if (judge === undefined && judgeEndpoint !== undefined)
    throw new LabError("bad_input", "the judge at the endpoint is not named", {
      hint: "Name it with --judge.",
    });
  return {
    ...(judge === undefined ? {} : { judge }),
    ...(judgeEndpoint === undefined ? {} : { judgeEndpoint }),
  };
}
