import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { LanguageModel } from "../../src/generate/language-model.ts";
import { logSumExp } from "../../src/generate/logits.ts";
import type { Edit } from "../../src/model/hooks/edits.ts";
import type { Metric } from "../../src/model/hooks/metric.ts";
import { BLOCK_HOOKS, OUTER_HOOKS, type HookName } from "../../src/model/hooks/names.ts";
import { fixture, maxDifference, readFixture } from "../support/golden.ts";
import { part } from "../support/part.ts";

const { input_ids: prompts, loss } = readFixture<{ input_ids: number[][]; loss: number }>(
  "phi-mini/inputs.json",
);
const [first = [], second = []] = prompts;
const metric: Metric = { kind: "logitDifference", right: [11, 30], wrong: [7, 8] };
let phi: LanguageModel;

beforeAll(async () => {
  phi = await LanguageModel.open(fixture("phi-mini"), { mode: "reference", threads: 1 });
});
afterAll(async () => {
  await phi[Symbol.asyncDispose]();
});

describe("metrics", () => {
  it("are what their formulas make of the logits, for prompts of any length", async () => {
    const ragged = [first, second.slice(0, 7)];
    const at = [-1, 3] as const;
    const { values, shape } = (await phi.run(ragged, { capture: ["logits"] })).get("logits");
    for (const position of at) {
      const rows = ragged.map((ids, b) =>
        part({ values, shape }, [b], [position < 0 ? ids.length + position : position]),
      );
      const logit = (b: number, id: number): number => rows[b]?.[id] as number;
      const lse = rows.map((row) => logSumExp(Float32Array.from(row)));
      const wanted: [Metric, number[]][] = [
        [{ kind: "logit", token: 5, position }, [logit(0, 5), logit(1, 5)]],
        [{ ...metric, position }, [logit(0, 11) - logit(0, 7), logit(1, 30) - logit(1, 8)]],
        [
          { kind: "logProb", token: [5, 9], position },
          [logit(0, 5) - (lse[0] as number), logit(1, 9) - (lse[1] as number)],
        ],
      ];
      for (const [metric, values] of wanted) {
        const run = await phi.run(ragged, { metric });
        values.forEach((value, b) => {
          expect(run.metric[b]).toBeCloseTo(value, 4);
        });
      }
    }
  });

  it("give the loss of transformers", async () => {
    const { metric: found } = await phi.run(prompts, { metric: { kind: "loss" } });
    expect(((found[0] as number) + (found[1] as number)) / 2).toBeCloseTo(loss, 5);
  });
});

describe("gradients", () => {
  const hooks = [
    ...Object.keys(BLOCK_HOOKS).flatMap((hook) => [`blocks.0.${hook}`, `blocks.1.${hook}`]),
    ...Object.keys(OUTER_HOOKS),
  ] as HookName[];

  it("agree with differences of the metric, at every hook", async () => {
    for (const at of hooks) {
      const run = await phi.run(prompts, { capture: [at], metric, gradients: [at] });
      const [x, g] = [run.get(at), run.gradient(at)];
      expect(g.shape).toEqual(x.shape);
      const half = g.values.length / 2;
      for (const b of [0, 1]) {
        const slope = g.values.subarray(b * half, (b + 1) * half);
        const length = Math.hypot(...slope);
        expect(length, at).toBeGreaterThan(0);
        // Along the gradient itself the metric changes by its length; from two steps the third order falls away.
        const moved = async (step: number): Promise<number> => {
          const values = x.values.map((v, i) =>
            Math.floor(i / half) === b ? v + (step * (g.values[i] as number)) / length : v,
          );
          const edits: Edit[] = [{ op: "replace", at, value: { shape: x.shape, values } }];
          return (await phi.run(prompts, { edits, metric })).metric[b] as number;
        };
        const difference = async (step: number): Promise<number> =>
          ((await moved(step)) - (await moved(-step))) / (2 * step);
        const step = 1e-2 / Math.max(length, 0.3);
        const found = (4 * (await difference(step / 2)) - (await difference(step))) / 3;
        expect(Math.abs(found / length - 1), `${at} of prompt ${b}`).toBeLessThan(1e-3);
      }
    }
  });

  it("at all hooks together are those at each alone", async () => {
    // Copies of the stream for heads and MLP each go through a norm of their own, past that which ln1's hooks show.
    const shared = hooks.filter((at) => !/_in$|_input$/.test(at));
    // Where scores are wanted they are made by other operations.
    for (const wanted of [shared, shared.filter((at) => !at.endsWith("scores"))]) {
      const together = await phi.run(prompts, { metric, gradients: wanted });
      for (const at of wanted) {
        const alone = (await phi.run(prompts, { metric, gradients: [at] })).gradient(at).values;
        expect(maxDifference(together.gradient(at).values, alone), at).toBeLessThan(1e-5);
      }
    }
  });

  it("are those of the edited model, at the edited value, and can be selected and reduced", async () => {
    const at = "blocks.0.attn.hook_z";
    const edits: Edit[] = [{ op: "zero", at, heads: [1] }];
    const whole = await phi.run(prompts, { edits, metric, gradients: [at] });
    const some = await phi.run(prompts, {
      edits,
      metric,
      gradients: [
        { at, positions: [-1], heads: [2] },
        { at, reduce: "norm" },
      ],
    });
    expect([...some.gradient(at).values]).toEqual(part(whole.gradient(at), undefined, [23], [2]));
    expect(some.gradient(`${at}.norm`).values[5]).toBeCloseTo(
      Math.hypot(...part(whole.gradient(at), [0], [1], [1])),
      5,
    );
    const plain = await phi.run(prompts, { metric, gradients: [at] });
    expect(plain.gradient(at).values).not.toEqual(whole.gradient(at).values);
  });

  it("are exact for a value in which the metric is linear", async () => {
    const at = "hook_ln_final_out";
    const [clean, corrupted] = [
      await phi.run(first, { capture: [at], metric: { ...metric, right: 11, wrong: 7 } as Metric }),
      await phi.run(second, {
        capture: [at],
        gradients: [at],
        metric: { ...metric, right: 11, wrong: 7 } as Metric,
      }),
    ];
    const [x, y] = [clean.get(at).values, corrupted.get(at).values];
    const change = corrupted
      .gradient(at)
      .values.reduce((sum, g, i) => sum + g * ((x[i] as number) - (y[i] as number)), 0);
    const exact = (clean.metric[0] as number) - (corrupted.metric[0] as number);
    expect(Math.abs(change - exact)).toBeLessThan(1e-6);
  });

  it("along a path between two values add up to the difference of the metric", async () => {
    const at = "blocks.1.hook_resid_pre";
    const one = { kind: "logitDifference", right: 11, wrong: 7 } as const;
    const [clean, corrupted] = [
      await phi.run(first, { capture: [at], metric: one }),
      await phi.run(second, { capture: [at], metric: one }),
    ];
    const [x, y] = [clean.get(at).values, corrupted.get(at).values];
    const steps = 32;
    const batch = Array.from({ length: steps }, () => second);
    const values = Float32Array.from({ length: steps * x.length }, (_, i) => {
      const [k, j] = [Math.floor(i / x.length), i % x.length];
      const share = (k + 0.5) / steps;
      return (y[j] as number) + share * ((x[j] as number) - (y[j] as number));
    });
    const run = await phi.run(batch, {
      metric: one,
      gradients: [at],
      edits: [{ op: "replace", at, value: { shape: [steps, 24, 64], values } }],
    });
    const total = run.gradient(at).values.reduce((sum, g, i) => {
      const j = i % x.length;
      return sum + (g * ((x[j] as number) - (y[j] as number))) / steps;
    }, 0);
    const difference = (clean.metric[0] as number) - (corrupted.metric[0] as number);
    expect(Math.abs(total / difference - 1)).toBeLessThan(0.01);
  });

  it("are had in fast mode too, with fused attention", async () => {
    await using fast = await LanguageModel.open(fixture("phi-mini"), { repack: false, threads: 1 });
    const at = "blocks.0.hook_resid_post";
    const [a, b] = [
      await fast.run(prompts, { metric, gradients: [at] }),
      await phi.run(prompts, { metric, gradients: [at] }),
    ];
    const [x, y] = [a.gradient(at).values, b.gradient(at).values];
    const difference = Math.hypot(...x.map((v, i) => v - (y[i] as number)));
    expect(difference).toBeLessThan(0.02 * Math.hypot(...y));
  });

  it("need a metric, and tokens and positions that are there", async () => {
    const bad = [
      { gradients: ["z0"] },
      { metric: { kind: "logit", token: 512 } },
      { metric: { kind: "logit", token: [1, 2, 3] } },
      { metric: { kind: "logit", token: 1, position: 24 } },
      { metric: { kind: "probability", token: 1 } as unknown as Metric },
      { metric: { kind: "loss", token: 1 } as unknown as Metric },
    ] as const;
    for (const options of bad)
      await expect(phi.run(prompts, options)).rejects.toMatchObject({ code: "bad_input" });
  });
});
