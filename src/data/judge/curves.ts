/** How well scores tell good from bad: ROC-AUC, the precision–recall curve and a threshold from it, calibration, deciles. */
import { LabError } from "../../base/errors.ts";

/** A score and whether it was right to give a high one. */
export interface Judged {
  readonly score: number;
  readonly good: boolean;
}

/** Examples of each class; throws `bad_input` where one has none, since nothing can be said then. */
function countClasses(judged: readonly Judged[]): { good: number; bad: number } {
  const good = judged.filter((one) => one.good).length;
  const bad = judged.length - good;
  if (good === 0 || bad === 0)
    throw new LabError(
      "bad_input",
      `of ${judged.length} examples ${good} are good: both kinds are needed`,
      {
        hint: "Annotate more examples, or move the value from which one counts as good (--good-from).",
      },
    );
  return { good, bad };
}

/** Chance that a good example scores above a bad one, ties counting half (Mann and Whitney's U). */
export function rocAuc(judged: readonly Judged[]): number {
  const { good, bad } = countClasses(judged);
  const sorted = [...judged].sort((a, b) => a.score - b.score);
  let sum = 0;
  for (let i = 0; i < sorted.length;) {
    let end = i;
    let goods = 0;
    for (; end < sorted.length && sorted[end]!.score === sorted[i]!.score; end++)
      if (sorted[end]!.good) goods++;
    sum += (goods * (i + 1 + end)) / 2; // mean rank of the tie
    i = end;
  }
  return (sum - (good * (good + 1)) / 2) / (good * bad);
}

/** Where the ROC curve turns, from nothing chosen to everything chosen. */
export function rocCurve(judged: readonly Judged[]): { falseShare: number; trueShare: number }[] {
  const { good, bad } = countClasses(judged);
  const points = [{ falseShare: 0, trueShare: 0 }];
  for (const { goods, chosen } of cuts(judged))
    points.push({ falseShare: (chosen - goods) / bad, trueShare: goods / good });
  return points;
}

export interface Cut {
  /** Everything with at least this score is chosen. */
  threshold: number;
  precision: number;
  recall: number;
  /** Share of all examples that is chosen. */
  share: number;
}

/** Precision and recall at every score that occurs, from the highest. */
export function precisionRecall(judged: readonly Judged[]): Cut[] {
  const { good } = countClasses(judged);
  return cuts(judged).map(({ threshold, goods, chosen }) => ({
    threshold,
    precision: goods / chosen,
    recall: goods / good,
    share: chosen / judged.length,
  }));
}

function cuts(judged: readonly Judged[]): { threshold: number; goods: number; chosen: number }[] {
  const sorted = [...judged].sort((a, b) => b.score - a.score);
  let goods = 0;
  return sorted.flatMap(({ score, good }, i) => {
    if (good) goods++;
    return sorted[i + 1]?.score === score ? [] : [{ threshold: score, goods, chosen: i + 1 }];
  });
}

/** How a threshold is chosen: the best F1; the most recall at a precision; the most precision at a recall. */
export type ThresholdRule = "f1" | { precision: number } | { recall: number };

/**
 * The cut that a rule wants. Among equals the lowest threshold of a precision, the highest of the others.
 *
 * @throws LabError `bad_input` where no threshold reaches the precision
 */
export function chooseThreshold(judged: readonly Judged[], rule: ThresholdRule = "f1"): Cut {
  const curve = precisionRecall(judged);
  const best = (of: (cut: Cut) => number): Cut =>
    curve.reduce((found, cut) => (of(cut) > of(found) ? cut : found));
  if (rule === "f1")
    return best(({ precision, recall }) => (2 * precision * recall) / (precision + recall || 1));
  if ("recall" in rule) return best((cut) => (cut.recall >= rule.recall ? cut.precision : -1));
  const found = curve.findLast(({ precision }) => precision >= rule.precision);
  if (found !== undefined) return found;
  const { precision } = best((cut) => cut.precision);
  throw new LabError(
    "bad_input",
    `no threshold reaches a precision of ${rule.precision}: the best has ${precision.toFixed(3)}`,
  );
}

export interface CalibrationBin {
  /** Mean score of the examples in it. */
  score: number;
  /** Share of them that is good. */
  good: number;
  count: number;
}

export interface Calibration {
  bins: CalibrationBin[];
  /** Mean distance between score and share, weighted by examples (ECE, Guo et al. 2017). */
  expectedError: number;
  /** Mean square distance between score and truth (Brier). */
  brier: number;
}

/** Ten bins of equal width; empty ones are left out. */
export function calibration(judged: readonly Judged[]): Calibration {
  const groups = Array.from({ length: 10 }, (): Judged[] => []);
  for (const one of judged) groups[Math.min(9, Math.max(0, Math.floor(10 * one.score)))]!.push(one);
  const mean = (values: number[]): number => values.reduce((sum, v) => sum + v, 0) / values.length;
  const bins = groups
    .filter((group) => group.length > 0)
    .map((group) => ({
      score: mean(group.map(({ score }) => score)),
      good: mean(group.map(({ good }) => Number(good))),
      count: group.length,
    }));
  const distance = bins.map(({ score, good, count }) => count * Math.abs(score - good));
  return {
    bins,
    expectedError: distance.reduce((sum, d) => sum + d, 0) / judged.length,
    brier: mean(judged.map(({ score, good }) => (score - Number(good)) ** 2)),
  };
}
