/** Several programs for each problem, drawn at random, and what share of problems k of them would solve: pass@k. */
import { LabError } from "../base/errors.ts";
import { sha256 } from "../base/hash.ts";
import { passAtK } from "../sandbox/index.ts";
import type { Item, Request, Sampling, Scores, Task } from "./task.ts";

export interface SampleOptions extends Omit<Sampling, "sample"> {
  /** Programs for each problem. */
  samples: number;
  /** The k of pass@k; pass@1 is always told. */
  passAt: readonly number[];
}

/**
 * A task that runs code, asked `samples` times for each problem: pass@k by the unbiased estimator of Chen et al. 2021
 * (arXiv 2107.03374, equation 1) instead of the share of first answers that pass.
 *
 * @throws LabError `bad_input` where k is more than the samples, or all samples would be the same
 */
export function sampled(task: Task, { samples, passAt, ...sampling }: SampleOptions): Task {
  const ks = [...new Set([1, ...passAt])].sort((a, b) => a - b);
  const most = ks.at(-1) ?? 1;
  if (most > samples)
    throw new LabError("bad_input", `pass@${most} needs at least ${most} samples, not ${samples}`, {
      hint: `Draw more: --samples ${most}.`,
    });
  if (sampling.temperature === 0)
    throw new LabError("bad_input", "samples at temperature 0 are all the same", {
      hint: "Chen et al. take 0.2 for pass@1 and 0.8 for pass@100.",
    });
  const keyOf = (key: string, k: number): string => key.replace("1,", `${k},`);
  return {
    ...task,
    metrics: ks.flatMap((k) => task.metrics.map((own) => ({ ...own, key: keyOf(own.key, k) }))),
    item: (row): Item => {
      const item = task.item(row);
      return {
        example: item.example,
        target: item.target,
        requests: (before) =>
          item
            .requests(before)
            .flatMap((request) =>
              Array.from({ length: samples }, (_, sample) =>
                withSampling(request, { ...sampling, sample }),
              ),
            ),
        score: async (responses, tools): Promise<Scores> => {
          const passed = new Map(task.metrics.map(({ key }) => [key, 0]));
          for (const response of responses) {
            const scores = await item.score([response], tools);
            for (const [key, count] of passed) passed.set(key, count + Number(scores[key]));
          }
          return Object.fromEntries(
            [...passed].flatMap(([key, count]) =>
              ks.map((k) => [keyOf(key, k), passAtK({ samples, passed: count, k })]),
            ),
          );
        },
      };
    },
  };
}

/** The seed of one answer: that of the run, the question and the number of the answer, so that no answer depends on another. */
export function seedOf({ seed, sample }: Sampling, context: string): number {
  return parseInt(sha256(`${seed}\0${sample}\0${context}`).slice(0, 12), 16);
}

function withSampling(request: Request, sampling: Sampling): Request {
  return request.type === "generate_until" ? { ...request, sampling } : request;
}
