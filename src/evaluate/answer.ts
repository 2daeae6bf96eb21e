/** Asks a target what was planned, and keeps every answer on disk. */
import path from "node:path";
import { LabError } from "../base/errors.ts";
import { ResponseLog } from "./responses.ts";
import type { Target, WorkUnit } from "./target.ts";
import type { Response } from "./task.ts";

/** Answers to all requests, in order; units that are in the log already are not computed again. */
export async function answerAll(
  units: readonly WorkUnit[],
  total: number,
  {
    target,
    signal,
    folder,
    requests,
    onProgress,
  }: {
    target: Target;
    signal: AbortSignal;
    folder: string;
    requests: string;
    onProgress: ((done: number, total: number) => void) | undefined;
  },
): Promise<Response[]> {
  const file = path.join(folder, "responses.jsonl");
  await using log = await ResponseLog.open(file, { requests, units: units.length });
  const left = units.flatMap((unit, i) => (log.done.has(i) ? [] : [{ unit, i }]));
  let done = total - left.reduce((sum, { unit }) => sum + unit.indices.length, 0);
  onProgress?.(done, total);
  const stop = new AbortController();
  const both = AbortSignal.any([signal, stop.signal]);
  const work = async (): Promise<void> => {
    for (let next = left.shift(); next !== undefined; next = left.shift()) {
      both.throwIfAborted();
      await log.add(next.i, await next.unit.run(both));
      done += next.unit.indices.length;
      onProgress?.(done, total);
    }
  };
  const workers = Array.from({ length: target.concurrency }, () =>
    work().catch((error: unknown) => {
      stop.abort(error);
      throw error;
    }),
  );
  const ends = await Promise.allSettled(workers);
  if (ends.some(({ status }) => status === "rejected"))
    throw LabError.from(signal.aborted ? signal.reason : stop.signal.reason);
  const responses: Response[] = [];
  units.forEach(({ indices }, i) =>
    indices.forEach((index, k) => (responses[index] = log.done.get(i)?.[k] as Response)),
  );
  return responses;
}
