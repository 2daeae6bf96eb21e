/** Scores of examples by models that have not seen them. */
import { LabError } from "../../base/errors.ts";
import { Random } from "../../base/random.ts";
import type { Judged } from "./curves.ts";

/** Learns from the examples at these indices; what it returns scores any example. */
export type Fit = (training: readonly number[]) => (example: number) => number;

/**
 * Cuts the examples into folds that have each class in equal parts, and scores each fold by what the others teach.
 *
 * @throws LabError `bad_input` where a class has fewer examples than there are folds
 */
export function crossValidate(
  labels: readonly boolean[],
  fit: Fit,
  { folds = 5, seed = 0 }: { folds?: number; seed?: number } = {},
): Judged[] {
  const foldOf = stratifiedFolds(labels, { folds, seed });
  const all = Array.from(labels, (_, i) => i);
  const scores = new Float64Array(labels.length);
  for (let fold = 0; fold < folds; fold++) {
    const score = fit(all.filter((i) => foldOf[i] !== fold));
    for (const i of all) if (foldOf[i] === fold) scores[i] = score(i);
  }
  return labels.map((good, i) => ({ score: scores[i]!, good }));
}

export function stratifiedFolds(
  labels: readonly boolean[],
  { folds, seed }: { folds: number; seed: number },
): Uint8Array {
  const foldOf = new Uint8Array(labels.length);
  const random = new Random(seed);
  for (const kind of [true, false]) {
    const members = [...labels.keys()].filter((i) => labels[i] === kind);
    if (members.length < folds)
      throw new LabError(
        "bad_input",
        `${members.length} ${kind ? "good" : "bad"} examples are too few for ${folds} folds`,
        {
          hint: "Annotate more examples, or move the value from which one counts as good (--good-from).",
        },
      );
    random.permutation(members.length).forEach((m, i) => (foldOf[members[m]!] = i % folds));
  }
  return foldOf;
}
