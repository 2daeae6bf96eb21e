import { beforeAll, afterAll, describe, expect, it } from "vitest";
import { LanguageModel } from "../../src/generate/language-model.ts";
import type { HookName } from "../../src/model/hooks/names.ts";
import { fixture, maxDifference, readFixture, readTensors } from "../support/golden.ts";
import { part } from "../support/part.ts";

const { input_ids: prompts } = readFixture<{ input_ids: number[][] }>("phi-mini/inputs.json");
let phi: LanguageModel;
let expected: Awaited<ReturnType<typeof readTensors>>;

beforeAll(async () => {
  phi = await LanguageModel.open(fixture("phi-mini"), { mode: "reference", threads: 1 });
  expected = await readTensors(fixture("phi-mini/expected.safetensors"));
});
afterAll(async () => {
  await phi[Symbol.asyncDispose]();
});

const golden = (name: string): Float32Array => expected.get(name)?.values as Float32Array;

describe("captures", () => {
  it("give every inner value that transformers has, within 1e-5", async () => {
    const names = [...expected.keys()].filter((name) => !name.startsWith("grad."));
    expect(names.length).toBe(36 + 4);
    const run = await phi.run(prompts, { capture: names as HookName[] });
    for (const name of names) {
      const { values, shape } = run.get(name);
      expect(shape).toEqual(expected.get(name)?.shape);
      expect(maxDifference(values, golden(name)), name).toBeLessThan(1e-5);
    }
  });

  it("are the same for shorter prompts beside longer ones, whose padding is 0", async () => {
    const [long = [], other = []] = prompts;
    const short = other.slice(0, 9);
    const names = [...expected.keys()].filter((name) => !name.startsWith("grad.")) as HookName[];
    const together = await phi.run([short, long], { capture: names });
    const alone = await phi.run(short, { capture: names });
    expect(maxDifference(together.logits[0] ?? [], alone.logits[0] ?? [])).toBeLessThan(1e-5);
    for (const name of names) {
      const [wide, narrow] = [together.get(name), alone.get(name)];
      const positions = [...Array(9).keys()];
      const rest = [...Array(15).keys()].map((i) => i + 9);
      const inScores = wide.axes.includes("query");
      const read = inScores
        ? part(wide, [0], undefined, positions, positions)
        : part(wide, [0], positions);
      expect(maxDifference(read, narrow.values), name).toBeLessThan(1e-5);
      const padding = inScores ? part(wide, [0], undefined, rest) : part(wide, [0], rest);
      expect(
        padding.every((x) => x === 0),
        name,
      ).toBe(true);
    }
  });

  it("select positions from either end, heads and units, in the order given", async () => {
    const run = await phi.run(prompts, {
      capture: [
        { at: "blocks.0.attn.hook_z", positions: [-1, 2], heads: [3, 1] },
        { at: "blocks.1.attn.hook_pattern", positions: [5], heads: [2] },
        { at: "blocks.1.mlp.hook_post", positions: [-1], units: [7, 200, 3] },
        { at: "blocks.1.hook_resid_post", positions: { from: -2 } },
        { at: "hook_logits", positions: [0, -1], units: [11] },
        { at: "blocks.1.attn.hook_result", positions: [4], heads: [1] },
      ],
    });
    const check = (name: string, ...places: (number[] | undefined)[]): void => {
      const source = expected.get(name === "hook_logits" ? "logits" : name);
      const wanted = part(source as { values: Float32Array; shape: readonly number[] }, ...places);
      const found = run.get(name);
      expect(found.shape.reduce((a, b) => a * b, 1)).toBe(wanted.length);
      expect(maxDifference(found.values, wanted), name).toBeLessThan(1e-5);
    };
    check("blocks.0.attn.hook_z", undefined, [23, 2], [3, 1]);
    check("blocks.1.attn.hook_pattern", undefined, [2], [5]);
    check("blocks.1.mlp.hook_post", undefined, [23], [7, 200, 3]);
    check("blocks.1.hook_resid_post", undefined, [22, 23]);
    check("hook_logits", undefined, [0, 23], [11]);
    check("blocks.1.attn.hook_result", undefined, [4], [1]);
  });

  it("reduce inside the graph: lengths, means, projections and largest values", async () => {
    const [first = [], second = []] = prompts;
    const ragged = [first, second.slice(0, 10)];
    const directions = [0, 1].map((k) =>
      Float32Array.from({ length: 64 }, (_, i) => Math.sin(i + k)),
    );
    const run = await phi.run(ragged, {
      capture: [
        "blocks.0.hook_resid_post",
        "blocks.1.attn.hook_result",
        "hook_logits",
        { at: "blocks.0.hook_resid_post", reduce: "norm" },
        { at: "blocks.0.hook_resid_post", reduce: "mean" },
        { at: "blocks.0.hook_resid_post", reduce: { project: directions }, positions: [-1] },
        { at: "blocks.1.attn.hook_result", reduce: "norm" },
        { at: "blocks.1.attn.hook_result", reduce: { project: directions } },
        { at: "hook_logits", reduce: { topK: 5 }, positions: [-1] },
      ],
    });
    const stream = run.get("blocks.0.hook_resid_post");
    const length = (x: number[]): number => Math.sqrt(x.reduce((sum, v) => sum + v * v, 0));
    const dot = (x: number[], d: Float32Array): number =>
      x.reduce((sum, v, i) => sum + v * (d[i] as number), 0);
    const norms = run.get("blocks.0.hook_resid_post.norm");
    expect(norms.shape).toEqual([2, 24]);
    expect(norms.values[3]).toBeCloseTo(length(part(stream, [0], [3])), 4);
    expect(norms.values[24 + 10]).toBe(0);
    const mean = run.get("blocks.0.hook_resid_post.mean");
    expect(mean.shape).toEqual([2, 64]);
    const column = part(stream, [1], [...Array(10).keys()], [7]);
    expect(mean.values[64 + 7]).toBeCloseTo(column.reduce((a, b) => a + b, 0) / 10, 5);
    const projected = run.get("blocks.0.hook_resid_post.project");
    expect(projected.shape).toEqual([2, 1, 2]);
    expect(projected.values[3]).toBeCloseTo(
      dot(part(stream, [1], [9]), directions[1] as Float32Array),
      4,
    );
    const results = run.get("blocks.1.attn.hook_result");
    const headNorms = run.get("blocks.1.attn.hook_result.norm");
    expect(headNorms.shape).toEqual([2, 24, 4]);
    expect(headNorms.values[5 * 4 + 2]).toBeCloseTo(length(part(results, [0], [5], [2])), 5);
    const onDirections = run.get("blocks.1.attn.hook_result.project");
    expect(onDirections.shape).toEqual([2, 24, 4, 2]);
    expect(onDirections.values[(5 * 4 + 2) * 2]).toBeCloseTo(
      dot(part(results, [0], [5], [2]), directions[0] as Float32Array),
      5,
    );
    const top = run.get("hook_logits.topK");
    expect(top.shape).toEqual([2, 1, 5]);
    const last = part(run.get("hook_logits"), [1], [9]);
    const order = [...last.keys()].sort((a, b) => (last[b] as number) - (last[a] as number));
    expect([...(top.ids ?? [])].slice(5)).toEqual(order.slice(0, 5));
    expect(top.values[5]).toBe(last[order[0] as number]);
  });

  it("obey the identities of a parallel block, and what heads add sums to hook_attn_out", async () => {
    const run = await phi.run(prompts, {
      capture: ["resid_pre*", "resid_post*", "attn_out*", "mlp_out*", "result*", "pattern*"],
    });
    const bias = (await readTensors(`${fixture("phi-mini")}/model.safetensors`)).get(
      "model.layers.1.self_attn.dense.bias",
    )?.values as Float32Array;
    for (const l of [0, 1]) {
      const [pre, post, attn, mlp] = (
        ["resid_pre", "resid_post", "attn_out", "mlp_out"] as const
      ).map((name) => run.get(`blocks.${l}.hook_${name}`).values) as [
        Float32Array,
        Float32Array,
        Float32Array,
        Float32Array,
      ];
      const size = Math.max(...post.map(Math.abs));
      const sum = pre.map((x, i) => x + (attn[i] as number) + (mlp[i] as number));
      expect(maxDifference(sum, post)).toBeLessThanOrEqual(1e-6 * size);
      const { values, shape } = run.get(`blocks.${l}.attn.hook_pattern`);
      const t = shape[3] as number;
      for (let row = 0; row < values.length / t; row++) {
        const shares = values.subarray(row * t, (row + 1) * t);
        expect(Math.abs(shares.reduce((a, b) => a + b, 0) - 1)).toBeLessThan(1e-6);
        expect(shares.subarray((row % t) + 1).every((x) => x === 0)).toBe(true);
      }
    }
    const { values } = run.get("result1");
    const added = run.get("attn_out1").values.map((_, i) => {
      const [row, d] = [Math.floor(i / 64), i % 64];
      return [0, 1, 2, 3].reduce(
        (sum, n) => sum + (values[(row * 4 + n) * 64 + d] as number),
        bias[d] as number,
      );
    });
    expect(maxDifference(added, run.get("attn_out1").values)).toBeLessThan(1e-5);
  });

  it("change no logit, and a second run gives the same bits", async () => {
    const plain = await phi.run(prompts);
    for (let i = 0; i < 2; i++) {
      const run = await phi.run(prompts, {
        capture: ["result*", "q_input*", "mlp_in*", "resid_post*"],
      });
      expect(run.logits).toEqual(plain.logits);
    }
    expect((await phi.run([...prompts].reverse())).logits).toEqual([...plain.logits].reverse());
  });

  it("give every weight type and fused attention what the same model gives without captures", async () => {
    await using fast = await LanguageModel.open(fixture("phi-mini"), { mode: "fast", threads: 1 });
    const plain = await fast.run(prompts);
    const streams = await fast.run(prompts, { capture: ["resid_post*", "z*"] });
    expect(streams.logits).toEqual(plain.logits);
    const scores = await fast.run(prompts, { capture: ["attn_scores1", "pattern0"] });
    expect(
      maxDifference(scores.get("attn_scores1").values, golden("blocks.1.attn.hook_attn_scores")),
    ).toBeLessThan(0.02);
    expect(maxDifference(scores.logits[0] ?? [], plain.logits[0] ?? [])).toBeLessThan(0.02);
  });
});

describe("a plan", () => {
  it("says the bytes of what a run would keep, and the run keeps exactly these", async () => {
    const capture = [
      "resid_post*",
      { at: "pattern0", positions: [-1] },
      { at: "logits", reduce: { topK: 3 } },
    ] as const;
    const plan = phi.plan(prompts, { capture });
    const run = await phi.run(prompts, { capture });
    const kept = [...run.captured.values()].map(
      ({ values, ids }) => values.byteLength + (ids?.byteLength ?? 0),
    );
    expect(plan.captures.map(({ sizeBytes }) => sizeBytes)).toEqual(kept);
    expect(plan.sizeBytes).toBe(kept.reduce((a, b) => a + b, 0));
  });
});

describe("what cannot be captured is refused, with what can", () => {
  const refused: [string, Parameters<LanguageModel["run"]>[1], RegExp][] = [
    [
      "a mistyped hook",
      { capture: ["blocks.0.attn.hook_patern" as HookName] },
      /Did you mean blocks.0.attn.hook_pattern/,
    ],
    ["hook_resid_mid", { capture: ["blocks.0.hook_resid_mid"] }, /parallel/],
    ["hook_pos_embed", { capture: ["hook_pos_embed"] }, /rotates/],
    ["a layer beyond the last", { capture: ["blocks.2.hook_resid_pre"] }, /0…1/],
    ["a negative layer beyond the first", { capture: ["k-3"] }, /0…1/],
    ["a position beyond the prompt", { capture: [{ at: "z0", positions: [24] }] }, /0…23/],
    ["a head that is not there", { capture: [{ at: "z0", heads: [4] }] }, /4 heads/],
    ["heads of what has none", { capture: [{ at: "resid_pre0", heads: [0] }] }, /no heads/],
    ["a unit that is not there", { capture: [{ at: "post0", units: [256] }] }, /0…255/],
    [
      "a direction of another length",
      { capture: [{ at: "resid_pre0", reduce: { project: [[1, 2]] } }] },
      /of 2 values/,
    ],
    [
      "a direction that is no number",
      { capture: [{ at: "z0", reduce: { project: [Array<number>(16).fill(NaN)] } }] },
      /finite/,
    ],
    ["the same name twice", { capture: ["z0", { at: "z0", positions: [1] }] }, /`as`/],
    ["a name without its layer", { capture: ["pattern" as HookName] }, /layer/],
  ];
  for (const [what, options, words] of refused)
    it(what, async () => {
      const error = await phi.run(prompts, options).then(
        () => undefined,
        (error: unknown) => error as { code: string; message: string; hint?: string },
      );
      expect(error?.code).toBe("bad_input");
      expect(`${error?.message} ${error?.hint ?? ""}`).toMatch(words);
    });

  it("values that do not fit into memory, with the numbers", async () => {
    const many = Array.from({ length: 5000 }, () => prompts[0] as number[]);
    const capture = [
      "result*",
      "q_input*",
      "k_input*",
      "v_input*",
      "logits",
      "attn_scores*",
    ] as const;
    const plan = phi.plan(many, { capture });
    if (2 * plan.sizeBytes < process.availableMemory()) return;
    await expect(phi.run(many, { capture })).rejects.toMatchObject({ code: "out_of_memory" });
  });

  it("what was not captured", async () => {
    const run = await phi.run(prompts, { capture: ["z0"] });
    expect(() => run.get("z1")).toThrow(/not among/);
  });
});
