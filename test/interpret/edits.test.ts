import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { LanguageModel } from "../../src/generate/language-model.ts";
import { editsToJson, type Edit } from "../../src/model/hooks/edits.ts";
import { BLOCK_HOOKS, OUTER_HOOKS, type HookName } from "../../src/model/hooks/names.ts";
import { mul, scale } from "../../src/tensor/ops/index.ts";
import { fixture, maxDifference, readFixture } from "../support/golden.ts";
import { part } from "../support/part.ts";

const { input_ids: prompts } = readFixture<{ input_ids: number[][] }>("phi-mini/inputs.json");
let phi: LanguageModel;

beforeAll(async () => {
  phi = await LanguageModel.open(fixture("phi-mini"), { mode: "reference", threads: 1 });
});
afterAll(async () => {
  await phi[Symbol.asyncDispose]();
});

const hooks = [
  ...Object.keys(BLOCK_HOOKS).flatMap((hook) => [`blocks.0.${hook}`, `blocks.1.${hook}`]),
  ...Object.keys(OUTER_HOOKS),
] as HookName[];
/** Values that only exist where they are wanted: with an edit, what follows is computed from them. */
const isOptional = (hook: string): boolean => /_in$|_input$|hook_result$/.test(hook);

const vector = (size: number, phase = 0): Float32Array =>
  Float32Array.from({ length: size }, (_, i) => Math.sin(1 + i + phase));

describe("edits that change nothing", () => {
  it("leave every bit: a value replaced by itself, or multiplied with 1, at any hook", async () => {
    for (const at of hooks) {
      const plain = await phi.run(prompts, { capture: [at] });
      const noops: Edit[][] = [
        [{ op: "replace", at, value: plain.get(at) }],
        [{ op: "replace", at, value: plain.get(at), positions: [3, -1] }],
        [{ op: "scale", at, factor: 1, positions: [5] }],
        [{ op: "scale", at, factor: 1 }],
      ];
      for (const edits of noops) {
        const { logits, captured } = await phi.run(prompts, { capture: [at], edits });
        if (isOptional(at)) {
          logits.forEach((row, b) => {
            expect(maxDifference(row, plain.logits[b] ?? []), at).toBeLessThan(1e-5);
          });
        } else expect(logits, at).toEqual(plain.logits);
        expect([...captured.values()][0]?.values, at).toEqual(plain.get(at).values);
      }
    }
  });

  it("a vector added and taken off again", async () => {
    const plain = await phi.run(prompts);
    const value = vector(64);
    const edits: Edit[] = [
      { op: "add", at: "resid_pre1", value, scale: 3 },
      { op: "add", at: "resid_pre1", value, scale: -3 },
    ];
    const { logits } = await phi.run(prompts, { edits });
    expect(maxDifference(logits[0] ?? [], plain.logits[0] ?? [])).toBeLessThan(1e-5);
  });
});

describe("edits", () => {
  const changed = async (at: HookName, edits: Edit[]) => {
    const [before, after] = [
      (await phi.run(prompts, { capture: [at] })).get(at),
      (await phi.run(prompts, { capture: [at], edits })).get(at),
    ];
    return { before, after };
  };

  it("set to 0, scale, clamp and add where they say, and nowhere else", async () => {
    const at = "blocks.0.attn.hook_z";
    const value = vector(16);
    const { before, after } = await changed(at, [
      { op: "zero", at, positions: [2], heads: [1] },
      { op: "scale", at, factor: -2, positions: { from: -2 }, prompts: [1] },
      { op: "clamp", at, min: -0.01, max: 0.01, positions: [4], units: [3, 5] },
      { op: "add", at, value, scale: 0.5, positions: [7], heads: [0, 3] },
    ]);
    const wanted = Float32Array.from(before.values, (x, i) => {
      const [b, t, n, h] = [
        Math.floor(i / 64 / 24),
        Math.floor(i / 64) % 24,
        Math.floor(i / 16) % 4,
        i % 16,
      ];
      if (t === 2 && n === 1) return 0;
      if (t >= 22 && b === 1) return -2 * x;
      if (t === 4 && (h === 3 || h === 5)) return Math.min(0.01, Math.max(-0.01, x));
      if (t === 7 && (n === 0 || n === 3)) return x + 0.5 * (value[h] as number);
      return x;
    });
    expect(maxDifference(after.values, wanted)).toBeLessThan(1e-6);
  });

  it("of one place follow each other in their order", async () => {
    const at = "blocks.1.hook_resid_pre";
    const value = vector(64);
    const { before, after } = await changed(at, [
      { op: "add", at, value },
      { op: "scale", at, factor: 2, positions: [3] },
      { op: "add", at, value, positions: [3] },
    ]);
    const x = part(before, [0], [3]);
    const wanted = x.map((v, i) => 2 * (v + (value[i] as number)) + (value[i] as number));
    expect(maxDifference(part(after, [0], [3]), wanted)).toBeLessThan(1e-5);
  });

  it("take directions out: what is left has no share of them, and once is enough", async () => {
    const at = "blocks.1.hook_resid_pre";
    const directions = { shape: [2, 64], values: Float32Array.of(...vector(64), ...vector(64, 2)) };
    const once: Edit = { op: "projectOut", at, directions };
    const { before, after } = await changed(at, [once]);
    const { after: twice } = await changed(at, [once, once]);
    for (let row = 0; row < 48; row++) {
      const [x, y] = [before, after].map(({ values }) =>
        values.subarray(row * 64, (row + 1) * 64),
      ) as [Float32Array, Float32Array];
      const length = Math.hypot(...x);
      for (const phase of [0, 2]) {
        const d = vector(64, phase);
        const share = y.reduce((sum, v, i) => sum + v * (d[i] as number), 0) / Math.hypot(...d);
        expect(Math.abs(share)).toBeLessThanOrEqual(1e-6 * length);
      }
    }
    expect(maxDifference(after.values, twice.values)).toBeLessThan(1e-6);
  });

  it("patch the value of another run, by position and by head", async () => {
    const [clean = [], corrupted = []] = prompts;
    const source = await phi.run(clean, { capture: ["resid_pre1", "z0", "pattern1"] });
    const run = await phi.run(corrupted, {
      capture: ["resid_pre1"],
      edits: [{ op: "replace", at: "resid_pre1", value: source.get("resid_pre1"), positions: [9] }],
    });
    expect(part(run.get("resid_pre1"), [0], [9])).toEqual(part(source.get("resid_pre1"), [0], [9]));
    const everything = await phi.run(corrupted, {
      edits: [
        {
          op: "replace",
          at: "resid_pre0",
          value: (await phi.run(clean, { capture: ["resid_pre0"] })).get("resid_pre0"),
        },
      ],
    });
    expect(everything.logits[0]).toEqual(source.logits[0]);
    const frozen = await phi.run(corrupted, {
      capture: ["pattern1", "z0"],
      edits: [
        { op: "replace", at: "pattern1", value: source.get("pattern1"), heads: [2] },
        { op: "replace", at: "z0", value: source.get("z0"), heads: [1], positions: [-1] },
      ],
    });
    expect(part(frozen.get("pattern1"), [0], [2])).toEqual(part(source.get("pattern1"), [0], [2]));
    expect(part(frozen.get("pattern1"), [0], [1])).not.toEqual(
      part(source.get("pattern1"), [0], [1]),
    );
    expect(part(frozen.get("z0"), [0], [23], [1])).toEqual(part(source.get("z0"), [0], [23], [1]));
  });

  it("may be a graph over tensors, or a function of the host, with the same result", async () => {
    const edits = (op: Edit): Edit[] => [
      { op: "scale", at: "resid_pre0", factor: 1.5 },
      op,
      { op: "zero", at: "z1", heads: [0] },
    ];
    const place = { at: "mlp_post0", positions: [1, 2, 3] } as const;
    const graph = await phi.run(prompts, {
      edits: edits({ ...place, op: "graph", apply: (x) => scale(mul(x, x), 2) }),
    });
    const host = await phi.run(prompts, {
      edits: edits({
        ...place,
        op: "callback",
        apply: (values, { shape, rows }) => {
          expect(shape).toEqual([6, 256]);
          expect(rows[4]).toEqual({ prompt: 1, position: 2 });
          return values.map((x) => 2 * x * x);
        },
      }),
    });
    expect(graph.logits).toEqual(host.logits);
    expect(graph.logits).not.toEqual((await phi.run(prompts)).logits);
  });

  it("that are written as JSON and read again give the same bits", async () => {
    const source = await phi.run(prompts, {
      capture: ["attn_scores0", { at: "resid_post0", positions: [-2] }],
    });
    const edits: Edit[] = [
      { op: "replace", at: "attn_scores0", value: source.get("attn_scores0"), heads: [1] },
      { op: "replace", at: "resid_post0", value: source.get("resid_post0"), positions: [-2] },
      {
        op: "add",
        at: "blocks.*.hook_resid_post",
        value: [...vector(64)],
        scale: 0.25,
        steps: { from: 0, to: 1 },
      },
      { op: "projectOut", at: "resid_pre1", directions: vector(64) },
      { op: "clamp", at: "mlp_post0", min: -1, max: 2.5, units: [1, 7] },
    ];
    const json = editsToJson(edits);
    const again = JSON.parse(json) as Edit[];
    expect(editsToJson(again)).toBe(json);
    expect((await phi.run(prompts, { edits: again })).logits).toEqual(
      (await phi.run(prompts, { edits })).logits,
    );
  });

  it("change values in a run that captures them, also where only lengths or shares of heads are kept", async () => {
    const at = "blocks.0.attn.hook_result";
    const edits: Edit[] = [{ op: "scale", at, factor: 2, heads: [1] }];
    const [plain, run] = [
      await phi.run(prompts, { capture: [{ at, reduce: "norm" }] }),
      await phi.run(prompts, { capture: [{ at, reduce: "norm" }], edits }),
    ];
    const wanted = plain.get(`${at}.norm`).values.map((x, i) => (i % 4 === 1 ? 2 * x : x));
    expect(maxDifference(run.get(`${at}.norm`).values, wanted)).toBeLessThan(1e-5);
  });
});

describe("edits that cannot be are refused before anything is computed", () => {
  const value = vector(64);
  const refused: [string, unknown, RegExp][] = [
    ["an unknown operation", { op: "remove", at: "z0" }, /zero, replace/],
    ["an unknown key", { op: "zero", at: "z0", head: [1] }, /Did you mean heads/],
    ["an unknown hook", { op: "zero", at: "blocks.0.attn.hook_zz" }, /hook_z/],
    ["a hook that Phi lacks", { op: "zero", at: "blocks.0.hook_resid_mid" }, /parallel/],
    ["a layer that is not there", { op: "zero", at: "z2" }, /0…1/],
    ["a head that is not there", { op: "zero", at: "z0", heads: [4] }, /4 heads/],
    ["a position behind the prompt", { op: "zero", at: "z0", positions: [24] }, /0…23/],
    ["a prompt that is not there", { op: "zero", at: "z0", prompts: [2] }, /There are 2/],
    ["a unit that is not there", { op: "zero", at: "z0", units: [16] }, /0…15/],
    ["a value of another width", { op: "add", at: "z0", value }, /16 values/],
    [
      "a value with too many axes",
      { op: "add", at: "resid_pre0", value: { shape: [1, 1, 1, 64], values: value } },
      /axes/,
    ],
    [
      "a shape that its values do not have",
      { op: "add", at: "resid_pre0", value: { shape: [2, 64], values: value } },
      /64 values/,
    ],
    [
      "a value for other positions",
      {
        op: "replace",
        at: "resid_pre0",
        value: { shape: [1, 64], values: value, positions: [3] },
        positions: [4],
      },
      /position 4/,
    ],
    [
      "a value that is no number",
      { op: "add", at: "resid_pre0", value: value.map(() => NaN) },
      /finite/,
    ],
    ["an infinite factor", { op: "scale", at: "z0", factor: Infinity }, /factor/],
    ["an empty range", { op: "clamp", at: "z0", min: 1, max: 0 }, /above/],
    [
      "a callback with too few values",
      { op: "callback", at: "z0", apply: () => new Float32Array(1) },
      /finite numbers/,
    ],
    [
      "a graph of another shape",
      { op: "graph", at: "z0", apply: (x: never) => mul(x, x) && scale(x, Infinity) },
      /factor/,
    ],
  ];
  for (const [what, edit, words] of refused)
    it(what, async () => {
      const error = await phi.run(prompts, { edits: [edit as Edit] }).then(
        () => undefined,
        (error: unknown) => error as { code: string; message: string; hint?: string },
      );
      expect(error?.code).toBe("bad_input");
      expect(`${error?.message} ${error?.hint ?? ""}`).toMatch(words);
    });

  it("functions have no JSON", () => {
    expect(() => editsToJson([{ op: "graph", at: "z0", apply: (x) => x }])).toThrow(/function/);
  });
});
