/** What evaluations on this machine have found, by model. */
import { listRuns } from "../jobs/runs.ts";
import { BUNDLED_MODEL } from "./reference.ts";

export type Measurement = {
  /** As it was asked for; the bundled model's name where it was not. */
  model: string;
  task: string;
  /** The task's first metric, a share. */
  value: number;
  run: string;
};

/** From the evaluations that are done; of several of one task, the newest. */
export async function readMeasurements(runsFolder: string): Promise<Measurement[]> {
  const found = new Map<string, Measurement>();
  for (const { record } of (await listRuns(runsFolder)).runs) {
    if (record.kind !== "eval" || record.state !== "done") continue;
    const { model = BUNDLED_MODEL, endpoint } = record.arguments;
    if (typeof model !== "string" || endpoint !== undefined) continue;
    const { results = {} } = (record.result ?? {}) as {
      results?: Record<string, Record<string, unknown>>;
    };
    for (const [task, values] of Object.entries(results)) {
      const key = Object.keys(values).find(
        (name) => name.includes(",") && !name.includes("_stderr"),
      );
      const value = key === undefined ? undefined : values[key];
      const name = `${model} ${task}`;
      if (typeof value === "number" && !found.has(name))
        found.set(name, { model, task, value, run: record.id });
    }
  }
  return [...found.values()];
}
