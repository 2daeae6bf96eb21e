/** Asking a target, and a judge after it: what jobs about behaviour have in common. */
import path from "node:path";
import { z } from "zod";
import { sha256 } from "../../base/hash.ts";
import { toJson } from "../../base/json.ts";
import type { SETTING_SCHEMAS } from "../../base/settings.ts";
import { answerAll } from "../../evaluate/answer.ts";
import type { OpenedTarget } from "../../evaluate/job.ts";
import type { Target } from "../../evaluate/target.ts";
import type { Request, Response } from "../../evaluate/task.ts";
import type { JobContext } from "../../jobs/job.ts";
import { judge, type JudgedPair, type Verdict } from "./judge.ts";

/** What names a target: a model here, or one behind an endpoint. */
export interface AskedTarget {
  model?: string | undefined;
  adapter?: string | undefined;
  mode?: z.output<typeof SETTING_SCHEMAS.mode> | undefined;
  device?: z.output<typeof SETTING_SCHEMAS.device> | undefined;
  threads?: number | undefined;
  endpoint?: string | undefined;
  concurrency?: number | undefined;
}
export type OpenTarget = (asked: AskedTarget) => Promise<OpenedTarget>;

/** Who judges answers: a model here, or with `judgeEndpoint` one there. */
export const judgeArguments = {
  judge: z.string().optional(),
  judgeEndpoint: z.string().optional(),
};
type AskedJudge = z.output<z.ZodObject<typeof judgeArguments>>;

export interface AskOptions extends Pick<
  JobContext<unknown>,
  "folder" | "signal" | "progress" | "describe"
> {
  openTarget: OpenTarget;
  data: { name: string; sha256: string }[];
}

/** What a target says about itself, and its name. */
export type Facts = Record<string, string | number | boolean>;

/** All answers of a target, which is closed again; what an earlier attempt was told is not asked again. */
export async function askTarget(
  asked: AskedTarget,
  requests: readonly Request[],
  { openTarget, describe, data, folder, signal, progress }: AskOptions,
): Promise<{ facts: Facts; responses: Response[] }> {
  await using opened = await openTarget(asked);
  const { target, engine } = opened;
  await describe({
    data,
    models: [{ reference: target.name }],
    ...(engine === undefined ? {} : { engine }),
  });
  const responses = await answersOf(target, requests, { folder, signal, progress });
  return { facts: { ...target.facts, target: target.name }, responses };
}

/** The answers of a target that is open; those that an earlier attempt left in `folder` are not asked for again. */
export async function answersOf(
  target: Target,
  requests: readonly Request[],
  { folder, signal, progress }: Pick<AskOptions, "folder" | "signal" | "progress">,
): Promise<Response[]> {
  const { units } = await target.plan(requests, { truncate: false });
  return answerAll(units, requests.length, {
    ...{ target, signal, folder },
    requests: sha256(toJson({ target: target.facts, requests: sha256(toJson(requests)) })),
    onProgress: (done, total) => progress(done, { total }),
  });
}

/** The verdicts of a judge; undefined where none is named. */
export async function judgeBy(
  asked: AskedTarget & AskedJudge,
  pairs: readonly JudgedPair[],
  { openTarget, folder, signal, progress }: AskOptions,
): Promise<{ judge: string; verdicts: Verdict[] } | undefined> {
  const { judge: model, judgeEndpoint: endpoint, mode, device, threads, concurrency } = asked;
  if (model === undefined) return undefined;
  await using opened = await openTarget({
    ...{ model, mode, device, threads, endpoint, concurrency },
  });
  const verdicts = await judge(opened.target, pairs, {
    ...{ signal, file: path.join(folder, "verdicts.jsonl") },
    onProgress: (done) => progress(done, { total: pairs.length, message: "judging" }),
  });
  return { judge: opened.target.name, verdicts };
}
