import { expect, it } from "vitest";
import { StepWatch } from "./watch.ts";

/** Losses around 2, gradient norms around 1. */
const usual = (step: number) => ({ loss: 2 + 0.01 * (step % 7), gradNorm: 1 + 0.02 * (step % 5) });

it("reports a step whose loss or gradient norm is far above the last ones", () => {
  const watch = new StepWatch();
  for (let step = 1; step <= 40; step++) expect(watch.observe(step, usual(step))).toEqual([]);
  const [outlier, ...others] = watch.observe(41, { loss: 2.03, gradNorm: 3 });
  expect(others).toEqual([]);
  expect(outlier?.message).toMatch(
    /^step 41 is an outlier: gradient norm 3, \d+\.\d deviations above the mean 1\.04 of the last 40$/,
  );
  expect(watch.observe(42, { loss: 1, gradNorm: 0.1 })).toEqual([]);
});

it("says nothing before it knows what is usual", () => {
  const watch = new StepWatch();
  for (let step = 1; step < 20; step++) watch.observe(step, usual(step));
  expect(watch.observe(20, { loss: 2.5, gradNorm: 50 })).toEqual([]);
});

it("stops a run whose loss stays far above where it began, not one with a bad step", () => {
  const watch = new StepWatch();
  for (let step = 1; step <= 30; step++) watch.observe(step, usual(step));
  watch.observe(31, { loss: 9, gradNorm: 1 });
  watch.observe(32, { loss: 3, gradNorm: 1 });
  const explode = (): void => {
    for (let step = 33; step < 60; step++) watch.observe(step, { loss: step / 5, gradNorm: 1 });
  };
  expect(explode).toThrow(/the loss has exploded: 8\.4 in step 42, where the run began with 2\.02/);
});

it("goes on where it stood", () => {
  const watch = new StepWatch();
  for (let step = 1; step <= 40; step++) watch.observe(step, usual(step));
  const again = new StepWatch(watch.state);
  const odd = { loss: 4, gradNorm: 9 };
  expect(again.observe(41, odd)).toEqual(watch.observe(41, odd));
});
