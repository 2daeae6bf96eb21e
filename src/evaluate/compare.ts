/** Two runs beside each other, item by item. */
import { LabError } from "../base/errors.ts";
import { headline, readSamples, type Finished } from "./finished.ts";
import { comparePaired, type Comparison } from "./statistics.ts";

export interface TaskComparison extends Comparison {
  task: string;
  metric: string;
  values: readonly [first: number, second: number];
}

/**
 * Tasks that both runs have, compared by the items that both have.
 *
 * @throws LabError `bad_input` where they asked different questions
 */
export async function compareRuns(first: Finished, second: Finished): Promise<TaskComparison[]> {
  const tasks = Object.keys(first.results.task_hashes).filter(
    (task) => task in second.results.task_hashes,
  );
  if (tasks.length === 0)
    throw new LabError("bad_input", "the runs have no task in common", {
      hint: `${first.name}: ${Object.keys(first.results.task_hashes).join(", ")}; ${second.name}: ${Object.keys(second.results.task_hashes).join(", ")}`,
    });
  const found: TaskComparison[] = [];
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
