/** What a run is measured by: one number of the logits `[V]` after the prompt. */
import { LabError } from "../base/errors.ts";

export const METRICS = ["logit_diff", "prob_diff", "log_prob"] as const;

export type MetricName = (typeof METRICS)[number];

/** Tokens that are right and wrong; several of each where a task has several. */
export interface Answers {
  right: readonly number[];
  wrong: readonly number[];
}

/**
 * - `logit_diff`: the mean logit of the right tokens less that of the wrong ones
 * - `prob_diff`: the probability of the right ones together less that of the wrong ones (Hanna et al. 2023)
 * - `log_prob`: the logarithm of the probability of the right ones together
 */
export function measure(
  logits: Float32Array,
  { right, wrong }: Answers,
  metric: MetricName = "logit_diff",
): number {
  if (right.length === 0 || (metric !== "log_prob" && wrong.length === 0))
    throw new LabError(
      "bad_input",
      `${metric} needs a right ${metric === "log_prob" ? "" : "and a wrong "}answer`,
    );
  if (metric === "logit_diff") return meanAt(logits, right) - meanAt(logits, wrong);
  const total = logSumExp(logits);
  const share = (ids: readonly number[]): number =>
    ids.reduce((sum, id) => sum + Math.exp((logits[id] as number) - total), 0);
  return metric === "prob_diff" ? share(right) - share(wrong) : Math.log(share(right));
}

/** (x − low) / (high − low). Throws `bad_input` where both runs measure the same: there is nothing to recover. */
export function normalize(value: number, { clean, corrupted }: Baselines): number {
  return (value - corrupted) / (clean - corrupted);
}

export interface Baselines {
  clean: number;
  corrupted: number;
}

/** Throws `bad_input` where clean and corrupted prompt measure the same: no patch could recover anything. */
export function assertApart({ clean, corrupted }: Baselines): void {
  if (Math.abs(clean - corrupted) > 1e-6 * Math.max(1, Math.abs(clean), Math.abs(corrupted)))
    return;
  throw new LabError(
    "bad_input",
    `clean and corrupted prompt measure the same: ${clean} and ${corrupted}`,
    { hint: "Choose a counterpart that changes the answer, or other answers." },
  );
}

/** log Σ exp(x), for logits of any size. */
export function logSumExp(x: ArrayLike<number>): number {
  let largest = -Infinity;
  for (let i = 0; i < x.length; i++) largest = Math.max(largest, x[i] as number);
  let sum = 0;
  for (let i = 0; i < x.length; i++) sum += Math.exp((x[i] as number) - largest);
  return largest + Math.log(sum);
}

/** Kullback-Leibler divergence of the distribution of logits `q` from that of `p`, in nats. */
export function divergence(p: Float32Array, q: Float32Array): number {
  const [totalP, totalQ] = [logSumExp(p), logSumExp(q)];
  let sum = 0;
  for (let i = 0; i < p.length; i++) {
    const logP = (p[i] as number) - totalP;
    sum += Math.exp(logP) * (logP - ((q[i] as number) - totalQ));
  }
  return Math.max(0, sum);
}

function meanAt(logits: Float32Array, ids: readonly number[]): number {
  return ids.reduce((sum, id) => sum + (logits[id] as number), 0) / ids.length;
}
