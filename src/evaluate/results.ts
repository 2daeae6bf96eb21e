/** Scores of all items become the results file, in lm-evaluation-harness' layout; intervals are philab's own addition. */
import { sha256 } from "../base/hash.ts";
import type { JsonObject, JsonValue } from "../base/json.ts";
import type { Selection } from "./select.ts";
import {
  aggregate,
  bootstrapInterval,
  mean,
  pooledError,
  standardError,
  unweightedError,
  type Interval,
} from "./statistics.ts";
import type { Scores, Task, TaskGroup } from "./task.ts";

/** What a task came to. */
export interface TaskRun {
  task: Task;
  shots: number;
  /** Scores of the items, in order. */
  scores: readonly Scores[];
  /** Items that the data has. */
  available: number;
  truncated: number;
  /** Hash of all prompts. */
  promptsSha256: string;
}

export interface TaskResult {
  values: Record<string, number>;
  errors: Record<string, number>;
  intervals: Record<string, Interval>;
  size: number;
}

export function taskResult({ task, scores }: TaskRun): TaskResult {
  const result: TaskResult = { values: {}, errors: {}, intervals: {}, size: scores.length };
  for (const { key, aggregation } of task.metrics) {
    const rows = scores.flatMap((own) => {
      const value = own[key];
      return value === undefined ? [] : [typeof value === "number" ? [value] : value];
    });
    if (rows.length === 0) continue;
    result.values[key] = aggregate(aggregation, rows);
    result.intervals[key] = bootstrapInterval(rows, aggregation);
    if (aggregation === "mean" && rows.length > 1)
      result.errors[key] = standardError(rows.map(([value = NaN]) => value));
  }
  return result;
}

/** The score of a group, from its members; undefined where one of them has none. */
export function groupResult(
  { members, metric }: TaskGroup,
  results: ReadonlyMap<string, TaskResult>,
): { value: number; error: number; size: number; key: string } | undefined {
  const found = members.map(({ task }) => results.get(task));
  const parts = found.map((result) => {
    const key = metric.keys.find((name) => result !== undefined && name in result.values);
    if (result === undefined || key === undefined) return undefined;
    const scale = key.startsWith("exact,") ? 100 : 1; // SQuAD counts in percent
    const error = (result.errors[key] ?? NaN) / scale;
    return { value: (result.values[key] ?? NaN) / scale, error, size: result.size, key };
  });
  const whole = parts.filter((part) => part !== undefined);
  if (whole.length < members.length || whole.length === 0) return undefined;
  const errors = whole.map(({ error }) => error);
  const sizes = whole.map(({ size }) => size);
  const total = sizes.reduce((sum, size) => sum + size, 0);
  const filter = metric.keys.length === 1 ? (metric.keys[0]?.split(",")[1] ?? "none") : "none";
  const key = `${metric.name},${filter}`;
  if (!metric.weightBySize)
    return {
      value: mean(whole.map(({ value }) => value)),
      error: unweightedError(errors),
      size: total,
      key,
    };
  const value = whole.reduce((sum, part) => sum + part.value * part.size, 0) / total;
  return { value, error: pooledError(errors, sizes), size: total, key };
}

/** `results.json` of a run. It holds no times: the same run gives the same bytes. */
export function resultsFile(
  runs: readonly TaskRun[],
  { groups }: Pick<Selection, "groups">,
  config: JsonObject,
): JsonObject {
  const results = new Map(runs.map((run) => [run.task.name, taskResult(run)]));
  // Inner groups first: an outer one counts them as members.
  for (const group of [...groups].reverse()) {
    const found = groupResult(group, results);
    if (found === undefined) continue;
    const { key, value, error, size } = found;
    results.set(group.name, {
      values: { [key]: value },
      errors: { [key]: error },
      intervals: {},
      size,
    });
  }
  const byTask = <T extends JsonValue>(value: (run: TaskRun) => T): Record<string, T> =>
    Object.fromEntries(runs.map((run) => [run.task.name, value(run)]));
  const entry = (name: string): JsonObject => resultEntry(name, results.get(name));
  const found = groups.filter(({ name }) => results.has(name));
  return {
    results: Object.fromEntries([...results.keys()].map((name) => [name, entry(name)])),
    groups: Object.fromEntries(found.map(({ name }) => [name, entry(name)])),
    group_subtasks: {
      ...Object.fromEntries(
        found.map(({ name, members }) => [name, members.map(({ task }) => task)]),
      ),
      ...byTask(() => []),
    },
    configs: byTask(({ task, shots }) => ({
      task: task.name,
      dataset_path: task.data.hub,
      dataset_name: task.data.config ?? null,
      test_split: task.split,
      description: task.description,
      num_fewshot: shots,
      metadata: { version: task.version, licence: task.data.licence },
    })),
    versions: byTask(({ task }) => task.version),
    "n-shot": byTask(({ shots }) => shots),
    higher_is_better: byTask(({ task }) =>
      Object.fromEntries(
        task.metrics.map(({ key, higherIsBetter }) => [key.split(",")[0] ?? key, higherIsBetter]),
      ),
    ),
    "n-samples": byTask(({ scores, available }) => ({
      original: available,
      effective: scores.length,
    })),
    truncated: byTask(({ truncated }) => truncated),
    task_hashes: byTask(({ promptsSha256 }) => promptsSha256),
    intervals: Object.fromEntries(
      [...results].map(([name, { intervals }]) => [
        name,
        Object.fromEntries(Object.entries(intervals).map(([key, pair]) => [key, [...pair]])),
      ]),
    ),
    config,
  };
}

function resultEntry(name: string, result: TaskResult | undefined): JsonObject {
  const entry: Record<string, JsonValue> = { alias: name, sample_len: result?.size ?? 0 };
  for (const [key, value] of Object.entries(result?.values ?? {})) {
    const [metric = "", filter = "none"] = key.split(",");
    entry[key] = value;
    entry[`${metric}_stderr,${filter}`] = result?.errors[key] ?? "N/A";
  }
  return entry;
}

/** SHA-256 over every request, in order: equal where two programs asked the same. */
export function hashPrompts(
  prompts: readonly (readonly [context: string, second: string])[],
): string {
  return sha256(prompts.map(([context, second]) => `${context}\0${second}\0`).join(""));
}
