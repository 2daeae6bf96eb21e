/** Two runs beside each other, item by item. */
import { LabError } from "../base/errors.ts";
import { headline, readSamples, type Finished } from "./finished.ts";
import { comparePaired, type Comparison } from "./statistics.ts";

export interface TaskComparison extends Comparison {
  task: string;
  /** Which of the runs the first is compared with, counted from 0. */
  other: number;
  metric: string;
  values: readonly [first: number, second: number];
}

/** The first run against each of the others. */
export async function compareRuns(runs: readonly Finished[]): Promise<TaskComparison[]> {
  const [first, ...others] = runs;
  if (first === undefined) return [];
  const found: TaskComparison[] = [];
  for (const [i, other] of others.entries())
    for (const row of await comparePair(first, other)) found.push({ ...row, other: i + 1 });
  return found;
}

/**
 * Tasks that both runs have, compared by the items that both have.
 *
 * @throws LabError `bad_input` where they asked different questions
 */
async function comparePair(
  first: Finished,
  second: Finished,
): Promise<Omit<TaskComparison, "other">[]> {
  const tasks = Object.keys(first.results.task_hashes).filter(
    (task) => task in second.results.task_hashes,
  );
  if (tasks.length === 0)
    throw new LabError("bad_input", "the runs have no task in common", {
      hint: `${first.name}: ${Object.keys(first.results.task_hashes).join(", ")}; ${second.name}: ${Object.keys(second.results.task_hashes).join(", ")}`,
    });
  const found: Omit<TaskComparison, "other">[] = [];
  for (const task of tasks) {
    const key = headline(first.results.results[task] ?? {});
    if (key === undefined) continue;
    const [metric = ""] = key.split(",");
    const sides = await Promise.all([first, second].map((run) => readSamples(run, task)));
    const [a = [], b = []] = sides;
    const byItem = new Map(b.map((sample) => [sample.doc_id, sample]));
    const pairs = a.flatMap((own) => {
      const other = byItem.get(own.doc_id);
      return other === undefined ? [] : [[own, other] as const];
    });
    if (pairs.some(([own, other]) => own["prompt_hash"] !== other["prompt_hash"]))
      throw new LabError("bad_input", `${task}: the runs asked different questions`, {
        hint: "Compare runs with the same data, examples and truncation.",
      });
    // A number for each item; perplexities are compared by log-likelihood.
    const values = ([own, other]: readonly [(typeof a)[number], (typeof a)[number]]): [
      number,
      number,
    ] => [numberOf(own[metric]), numberOf(other[metric])];
    const numbers = pairs.map(values);
    if (numbers.length === 0) continue;
    const comparison = comparePaired(
      numbers.map(([x]) => x),
      numbers.map(([, y]) => y),
    );
    const valueOf = (run: Finished): number => Number(run.results.results[task]?.[key]);
    found.push({ ...comparison, task, metric: key, values: [valueOf(first), valueOf(second)] });
  }
  return found;
}

function numberOf(value: unknown): number {
  return Number(Array.isArray(value) ? value[0] : value);
}
