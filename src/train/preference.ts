/**
 * The objective of preference tuning: make the chosen answer of a pair likelier than the rejected one, measured against a
 * reference that stays as it is (DPO, Rafailov et al. 2023, arXiv 2305.18290). Metrics have TRL's names and meaning.
 *
 * P pairs, S = 2·P sequences, first the chosen and then the rejected, T tokens each, R = S·T rows, V vocabulary.
 */
import type { PhiWeights } from "../model/phi.ts";
import {
  add,
  mul,
  relu,
  reshape,
  scale,
  slice,
  softplus,
  sqr,
  step,
  sub,
  sumAll,
  sumLast,
  tokenLogProbs,
} from "../tensor/ops/index.ts";
import { IGNORED } from "../tensor/targets.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { Batch } from "./data/batches.ts";
import { recordForward, type ForwardOptions } from "./forward.ts";
import type { Objective, Trainee } from "./objective.ts";

/**
 * With d = log-ratio of the chosen − that of the rejected answer, of policy to reference:
 *
 * - `sigmoid`: −log σ(β·d); with label smoothing ε −(1−ε)·log σ(β·d) − ε·log σ(−β·d), which is cDPO (Mitchell 2023)
 * - `hinge`: max(0, 1 − β·d), SLiC (Zhao et al. 2023, arXiv 2305.10425)
 * - `ipo`: (d′ − 1/2β)², whose log-ratios d′ are means over an answer's tokens (Azar et al. 2023, arXiv 2310.12036, eq. 17)
 */
export const PREFERENCE_LOSSES = ["sigmoid", "hinge", "ipo"] as const;
export type PreferenceLoss = (typeof PREFERENCE_LOSSES)[number];

export interface PreferenceOptions extends ForwardOptions {
  lossType: PreferenceLoss;
  beta: number;
  /** The share of pairs that are taken to be the wrong way round; with `sigmoid`. */
  labelSmoothing: number;
}

/**
 * The objective that makes chosen answers likelier than rejected ones (DPO, Rafailov et al. 2023, and its variants).
 *
 * @param reference - the model that log-probabilities are compared with: the one that the policy begins as
 */
export function preference(
  trainee: Trainee,
  reference: PhiWeights,
  options: PreferenceOptions,
): Objective {
  return {
    weigh: countPairs,
    record(graph, shape, { training }) {
      const { sequences, length } = shape;
      const rows = sequences * length;
      const pairs = sequences / 2;
      const model = trainee.inGraph(graph, { rows, training });
      const fixed = recordForward(graph, { weights: reference }, trainee.config, shape, options);
      const policy = recordForward(graph, model, trainee.config, shape, options);
      const inputs = {
        targets: graph.input("i32", [rows], "targets"),
        counted: graph.input("f32", [rows], "counted"), // 1 where a token is learned
        lengths: graph.input("f32", [sequences, 1], "lengths"), // 1 / learned tokens
        shares: graph.input("f32", [pairs, 1], "shares"), // what a pair counts for; 0 for padding
        tokenShares: graph.input("f32", [rows, 1], "token shares"),
      };
      const answerLogProbs = (logits: Tensor): Tensor =>
        sumLast(
          reshape(mul(tokenLogProbs(logits, inputs.targets), inputs.counted), [sequences, length]),
        ); // [S, 1]
      const before = answerLogProbs(fixed.logits);
      graph.require(before);
      const logProbs = answerLogProbs(policy.logits);
      const ratios = sub(logProbs, before); // [S, 1]
      const half = (x: Tensor, i: 0 | 1): Tensor =>
        slice(x, { axis: 0, start: (i * x.dim(0)) / 2, length: x.dim(0) / 2 });
      const margin = (x: Tensor): Tensor => sub(half(x, 0), half(x, 1)); // [P, 1]
      const mean = (x: Tensor): Tensor => sumAll(mul(x, inputs.shares));

      const judged = options.lossType === "ipo" ? mul(ratios, inputs.lengths) : ratios;
      const rewards = scale(ratios, options.beta);
      // Of all of a token's logits, over the learned tokens.
      const meanLogits = mul(
        scale(sumLast(policy.logits), 1 / trainee.config.vocabSize),
        inputs.tokenShares,
      ); // [R, 1]
      return {
        loss: mean(lossOf(margin(judged), options)),
        metrics: {
          "rewards/chosen": mean(half(rewards, 0)),
          "rewards/rejected": mean(half(rewards, 1)),
          "rewards/accuracies": mean(step(margin(rewards))),
          "rewards/margins": mean(margin(rewards)),
          "logps/chosen": mean(half(logProbs, 0)),
          "logps/rejected": mean(half(logProbs, 1)),
          "logits/chosen": sumAll(half(meanLogits, 0)),
          "logits/rejected": sumAll(half(meanLogits, 1)),
        },
        fill(batch, { total, random }) {
          fixed.fill(batch, random);
          policy.fill(batch, random);
          fillInputs(inputs, batch, total);
        },
      };
    },
  };
}

/** Of margins `[P, 1]`. */
function lossOf(
  d: Tensor,
  { lossType, beta, labelSmoothing: smoothing }: PreferenceOptions,
): Tensor {
  switch (lossType) {
    case "sigmoid": {
      const kept = softplus(scale(d, -beta)); // −log σ(β·d)
      if (smoothing === 0) return kept;
      return add(scale(kept, 1 - smoothing), scale(softplus(scale(d, beta)), smoothing));
    }
    case "hinge":
      return relu(scale(d, -beta, 1));
    case "ipo":
      return sqr(scale(d, 1, -1 / (2 * beta)));
  }
}

/** Pairs of a batch that are no padding. */
function countPairs(batch: Batch): number {
  return isFilled(batch).filter(Boolean).length;
}

/** Whether each pair of a batch is one: an answer that was cut away or padding has nothing to learn. */
function isFilled({ sequences, length, documents }: Batch): boolean[] {
  return Array.from({ length: sequences / 2 }, (_, pair) => documents[pair * length] === 0);
}

interface Inputs {
  targets: Tensor;
  counted: Tensor;
  lengths: Tensor;
  shares: Tensor;
  tokenShares: Tensor;
}

function fillInputs(inputs: Inputs, batch: Batch, total: number): void {
  const { sequences, length, targets } = batch;
  const counted = Float32Array.from(targets, (id) => (id === IGNORED ? 0 : 1));
  const sizes = Array.from({ length: sequences }, (_, s) =>
    counted.subarray(s * length, (s + 1) * length).reduce((sum, n) => sum + n, 0),
  );
  const filled = isFilled(batch);
  const pairs = filled.filter(Boolean).length;
  const half = sequences / 2;
  const tokens = [sizes.slice(0, half), sizes.slice(half)].map((part) =>
    part.reduce((sum, n) => sum + n, 0),
  );
  const share = (i: number): number => pairs / total / (tokens[i < half * length ? 0 : 1] ?? 1);
  inputs.targets.write(targets.map((id) => (id === IGNORED ? 0 : id)));
  inputs.counted.write(counted);
  inputs.lengths.write(Float32Array.from(sizes, (n) => 1 / Math.max(1, n)));
  inputs.shares.write(Float32Array.from(filled, (is) => (is ? 1 / total : 0)));
  inputs.tokenShares.write(counted.map((n, i) => (n === 0 ? 0 : share(i))));
}
