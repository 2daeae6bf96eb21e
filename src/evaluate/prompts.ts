/** Few-shot prompts, drawn as lm-evaluation-harness draws them: in order of the items, from one stream for each task. */
import { LabError } from "../base/errors.ts";
import { PythonRandom } from "./python-random.ts";
import type { Item, Row, Task } from "./task.ts";

const DELIMITER = "\n\n";
/** lm-evaluation-harness' default. */
export const FEWSHOT_SEED = 1234;

export interface PromptedItem {
  item: Item;
  row: Row;
  /** Description and examples. */
  before: string;
}

/**
 * @param rows - the items' rows, in order, from the first on: the draw for one depends on those before it
 * @param pool - rows that examples come from
 */
export function promptItems(
  task: Task,
  {
    rows,
    pool,
    shots,
    seed = FEWSHOT_SEED,
  }: { rows: readonly Row[]; pool: readonly Row[]; shots: number; seed?: number },
): PromptedItem[] {
  const { sampler, examples, excludesItem } = task.fewShot;
  const random = new PythonRandom(seed);
  const solved = new Map<Row, string>();
  const exampleOf = (row: Row): string => {
    const found = solved.get(row) ?? task.item(row).example;
    solved.set(row, found);
    return found;
  };
  if (
    shots > 0 &&
    (examples ?? pool).length < shots + Number(excludesItem && examples === undefined)
  )
    throw new LabError(
      "bad_input",
      `${task.name}: ${shots} examples are wanted; there are ${(examples ?? pool).length}`,
    );
  const keys = excludesItem ? new Map(pool.map((row) => [row, JSON.stringify(row)])) : undefined;
  return rows.map((row) => {
    const item = task.item(row);
    if (shots === 0) return { item, row, before: task.description };
    let chosen: readonly string[];
    if (examples !== undefined) chosen = examples.slice(0, shots).map(({ example }) => example);
    else if (keys !== undefined) chosen = drawWithout(row).map(exampleOf);
    else if (sampler === "first") chosen = pool.slice(0, shots).map(exampleOf);
    else chosen = random.sample(pool, shots).map(exampleOf);
    const before = task.description + chosen.map((example) => example + DELIMITER).join("");
    return { item, row, before };
  });

  /** One more than needed, less the item itself; where it lies in the pool twice, a second draw. */
  function drawWithout(row: Row): Row[] {
    const own = JSON.stringify(row);
    const isOther = (other: Row): boolean => keys?.get(other) !== own;
    if (sampler === "first") return pool.filter(isOther).slice(0, shots);
    const drawn = random
      .sample(pool, shots + 1)
      .filter(isOther)
      .slice(0, shots);
    return drawn.length === shots ? drawn : random.sample(pool.filter(isOther), shots);
  }
}
