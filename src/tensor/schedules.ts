/** Learning-rate schedules, as factors of the peak: those of transformers' `get_*_schedule_with_warmup`. */
import { LabError } from "../base/errors.ts";

export const SCHEDULES = ["constant", "linear", "cosine", "warmup-stable-decay"] as const;
export type ScheduleName = (typeof SCHEDULES)[number];

export interface ScheduleSettings {
  schedule: ScheduleName;
  /** Steps of the whole run. */
  steps: number;
  /** Steps in which the factor rises from 0 to 1 in a straight line; 0. */
  warmupSteps?: number;
  /** Last steps of `warmup-stable-decay`, in which the factor falls along a cosine; a tenth of all. */
  decaySteps?: number;
  /** Where a falling factor ends; 0. */
  minFactor?: number;
}

/**
 * The factor of each step, counted from 0.
 *
 * @throws LabError `bad_input` for counts that are no whole numbers or do not fit into the run
 */
export function scheduleFactor(settings: ScheduleSettings): (step: number) => number {
  const { schedule, steps, warmupSteps = 0, minFactor = 0 } = settings;
  const { decaySteps = Math.round(steps / 10) } = settings;
  const counts = { steps, warmupSteps, decaySteps };
  for (const [name, count] of Object.entries(counts))
    if (!Number.isInteger(count) || count < 0) throw new LabError("bad_input", `${name}: ${count}`);
  if (!(minFactor >= 0 && minFactor <= 1))
    throw new LabError("bad_input", `minFactor: ${minFactor} is not from 0 to 1`);
  const stableSteps = steps - warmupSteps - decaySteps;
  const fits = schedule === "warmup-stable-decay" ? stableSteps >= 0 : warmupSteps <= steps;
  if (!fits)
    throw new LabError(
      "bad_input",
      `${warmupSteps} steps of warm-up${schedule === "warmup-stable-decay" ? ` and ${decaySteps} of decay` : ""} do not fit into ${steps}`,
    );
  /** From 1 down to `minFactor` as `progress` goes from 0 to 1. */
  const fall = (shape: (progress: number) => number) => (done: number, of: number) =>
    minFactor + (1 - minFactor) * shape(Math.min(1, Math.max(0, done / Math.max(1, of))));
  const straight = fall((progress) => 1 - progress);
  const cosine = fall((progress) => 0.5 * (1 + Math.cos(Math.PI * progress)));
  return (step) => {
    if (step < warmupSteps) return step / warmupSteps;
    const done = step - warmupSteps;
    switch (schedule) {
      case "constant":
        return 1;
      case "linear":
        return straight(done, steps - warmupSteps);
      case "cosine":
        return cosine(done, steps - warmupSteps);
      case "warmup-stable-decay":
        return done < stableSteps ? 1 : cosine(done - stableSteps, decaySteps);
    }
  };
}
