/** Values and gradients at every hook agree with a forward pass in f64 that shares no arithmetic with philab's. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { Random } from "../../src/base/random.ts";
import { LanguageModel } from "../../src/generate/language-model.ts";
import { requirePhi } from "../../src/model/model-config.ts";
import type { Metric } from "../../src/model/hooks/metric.ts";
import { BLOCK_HOOKS, OUTER_HOOKS, type HookName } from "../../src/model/hooks/names.ts";
import { fixture, maxDifference, readTensors } from "../support/golden.ts";
import { phiInF64, type Parameters } from "../support/phi-f64.ts";

const random = new Random(4);
const ids = Array.from({ length: 12 }, () => random.integer(512));
const hooks = [
  ...[0, 1].flatMap((l) => Object.keys(BLOCK_HOOKS).map((hook) => `blocks.${l}.${hook}`)),
  ...Object.keys(OUTER_HOOKS),
] as HookName[];
let phi: LanguageModel;
let parameters: Parameters;

beforeAll(async () => {
  phi = await LanguageModel.open(fixture("phi-mini"), { mode: "reference", threads: 1 });
  parameters = await readTensors(fixture("phi-mini/model.safetensors"));
});
afterAll(async () => {
  await phi[Symbol.asyncDispose]();
});

test("logits and every hook are those of the f64 forward, within 1e-5", async () => {
  const reference = phiInF64(parameters, requirePhi(phi.config, "this"), ids);
  expect([...reference.keys()].sort()).toEqual([...hooks].sort());
  for (const captured of [hooks.map((at) => [at]), [hooks]].flat()) {
    const run = await phi.run(ids, { capture: captured });
    for (const at of captured) {
      const wanted = reference.get(at) ?? [];
      expect(maxDifference(run.get(at).values, wanted), at).toBeLessThan(1e-5);
    }
  }
});

test("gradients at every hook are the slopes of the f64 forward, within 5e-5 of their size", async () => {
  const [token, step] = [11, 1e-5];
  const metric: Metric = { kind: "logProb", token };
  const logProb = (values: Map<string, Float64Array>): number => {
    const logits = values.get("hook_logits")?.slice(-phi.config.vocabSize) ?? new Float64Array();
    return (logits[token] ?? NaN) - Math.log(logits.reduce((sum, x) => sum + Math.exp(x), 0));
  };
  for (const at of hooks) {
    const { values: gradient } = (await phi.run(ids, { metric, gradients: [at] })).gradient(at);
    const length = Math.hypot(...gradient);
    expect(length, at).toBeGreaterThan(0);
    for (let k = 0; k < 3; k++) {
      const direction = Float64Array.from(gradient, () => random.normal());
      const moved = (by: number): number =>
        logProb(
          phiInF64(parameters, requirePhi(phi.config, "this"), ids, (hook, values) =>
            hook === at ? values.map((x, i) => x + by * (direction[i] ?? NaN)) : values,
          ),
        );
      const slope = (moved(step) - moved(-step)) / (2 * step);
      const found = gradient.reduce((sum, g, i) => sum + g * (direction[i] ?? NaN), 0);
      // A random direction has a slope about as large as the gradient is long: the error is relative to that. It is 1.1e-5
      // at one ln1.hook_scale, whose gradient is a sum of terms 17 times as large, and below 4e-6 at all other hooks.
      expect(Math.abs(found - slope) / length, at).toBeLessThan(5e-5);
    }
  }
});
