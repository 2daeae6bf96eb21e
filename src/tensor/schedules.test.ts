import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { scheduleFactor, type ScheduleSettings } from "./schedules.ts";

const fixture = new URL("../../test/fixtures/optimizers.json", import.meta.url);
const { schedules } = JSON.parse(readFileSync(fixture, "utf8")) as {
  schedules: (ScheduleSettings & { factors: number[] })[];
};

for (const { factors, ...settings } of schedules)
  it(`gives transformers' factors: ${JSON.stringify(settings)}`, () => {
    const factor = scheduleFactor(settings);
    factors.forEach((wanted, step) => {
      expect(factor(step), `step ${step}`).toBeCloseTo(wanted, 12);
    });
  });

it("ends at its smallest factor, and stays there", () => {
  for (const schedule of ["linear", "cosine", "warmup-stable-decay"] as const) {
    const factor = scheduleFactor({ schedule, steps: 30, warmupSteps: 3, minFactor: 0.2 });
    expect(factor(3)).toBe(1);
    expect(factor(30)).toBeCloseTo(0.2, 12);
    expect(factor(99)).toBeCloseTo(0.2, 12);
  }
});

it("refuses counts that do not fit", () => {
  for (const settings of [
    { schedule: "linear", steps: 5, warmupSteps: 6 },
    { schedule: "warmup-stable-decay", steps: 5, warmupSteps: 3, decaySteps: 3 },
    { schedule: "cosine", steps: 1.5 },
    { schedule: "cosine", steps: -1 },
    { schedule: "cosine", steps: 5, minFactor: 2 },
    { schedule: "cosine", steps: 5, minFactor: NaN },
  ] as ScheduleSettings[])
    expect(() => scheduleFactor(settings)).toThrow(expect.objectContaining({ code: "bad_input" }));
});
