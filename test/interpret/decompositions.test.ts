/** What is worked out from captures and weights: it must add up, and agree with TransformerLens. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { LanguageModel } from "../../src/generate/language-model.ts";
import { requirePhi } from "../../src/model/model-config.ts";
import {
  attentionPatterns,
  compositionScores,
  COMPOSITIONS,
  decomposeResidual,
  detectHeads,
  detectionPattern,
  detectionScore,
  DETECTORS,
  headCircuits,
  logitAttribution,
  openWeights,
  ATTRIBUTION_UNITS,
  residualHooks,
} from "../../src/interpret/index.ts";
import { writeSyntheticModel } from "../../src/model/synthetic.ts";
import { fixture, maxDifference, readTensors } from "../support/golden.ts";
import { writeView } from "../support/weight-view.ts";

let phi: LanguageModel;
let lens: Awaited<ReturnType<typeof readTensors>>;
let ids: number[];

beforeAll(async () => {
  phi = await LanguageModel.open(fixture("phi-mini"), { mode: "reference", threads: 1 });
  lens = await readTensors(fixture("transformer-lens.safetensors"));
  ids = [...theirs("clean")];
});
afterAll(async () => {
  await phi[Symbol.asyncDispose]();
});

function theirs(name: string): Float32Array {
  const found = lens.get(name);
  if (found === undefined) throw new Error(`the fixture has no ${name}`);
  return found.values;
}

describe("against TransformerLens", () => {
  test.each(["attn.hook_pattern", "attn.hook_z", "hook_resid_pre", "hook_resid_post"] as const)(
    "%s is the same in every layer, within 1e-4",
    async (hook) => {
      const run = await phi.run(ids, { capture: [`blocks.*.${hook}`] });
      for (let l = 0; l < phi.config.layers; l++) {
        const name = `blocks.${l}.${hook}` as const;
        expect(maxDifference(run.get(name).values, theirs(name)), name).toBeLessThan(1e-5);
      }
    },
  );

  test.each(DETECTORS)("heads score the same as a %s", async (detector) => {
    const repeated = [...theirs("repeated")];
    for (const [measure, name, tolerance] of [
      ["share", "mul", 1e-5],
      ["distance", "abs", 6e-4], // TransformerLens rounds it to three decimals
    ] as const) {
      const heads = await detectHeads(phi, repeated, { measure });
      const scores = heads.map((head) => head.scores[detector]);
      expect(maxDifference(scores, theirs(`detect.${detector}.${name}`))).toBeLessThan(tolerance);
    }
  });

  test.each(COMPOSITIONS)("%s-composition scores are the same", async (mode) => {
    const circuits = await headCircuits(await openWeights(phi));
    const scores = compositionScores(circuits, mode);
    expect(maxDifference(scores, theirs(`composition.${mode}`))).toBeLessThan(1e-5);
  });
});

describe("the stream", () => {
  test("before every block is the sum of its parts, without the attention of that block", async () => {
    const { layers, width } = phi.config;
    const capture = residualHooks(phi.config, layers);
    const run = await phi.run(ids, {
      capture: [...capture, "blocks.*.hook_resid_pre", `blocks.${layers - 1}.hook_resid_post`],
    });
    for (let layer = 0; layer <= layers; layer++) {
      const sum = new Float64Array(ids.length * width);
      for (const { values } of decomposeResidual(run, phi.config, layer))
        values.forEach((value, i) => (sum[i] = (sum[i] as number) + value));
      const whole = run.get(
        layer < layers ? `blocks.${layer}.hook_resid_pre` : `blocks.${layers - 1}.hook_resid_post`,
      );
      expect(maxDifference(sum, whole.values)).toBeLessThan(1e-5);
    }
    expect(() => residualHooks(phi.config, layers + 1)).toThrow(/no stream/);
  });
});

describe("direct logit attribution", () => {
  test.each(ATTRIBUTION_UNITS)(
    "by %s sums to the logit, and to the difference of two",
    async (unit) => {
      for (const position of [-1, 4])
        for (const against of [undefined, 7]) {
          const found = await logitAttribution(phi, ids, { answer: 3, against, unit, position });
          expect(Math.abs(found.error)).toBeLessThan(1e-4);
          const logits = (await phi.run(ids.slice(0, (found.position ?? 0) + 1))).logits[0];
          const wanted =
            (logits?.[3] ?? NaN) - (against === undefined ? 0 : (logits?.[against] ?? NaN));
          expect(found.logit).toBeCloseTo(wanted, 4);
        }
    },
  );

  test("names every head and every neuron once", async () => {
    const { layers, heads, mlpWidth } = phi.config;
    const { parts } = await logitAttribution(phi, ids, { answer: 3, unit: "neuron" });
    expect(new Set(parts.map(({ label }) => label)).size).toBe(parts.length);
    expect(parts).toHaveLength(1 + layers * (heads + 1 + mlpWidth + 1));
  });

  test("by neuron never makes [.., F, D]: nothing beyond weights of one layer, L times smaller", async () => {
    const config = { ...requirePhi(phi.config, "this"), layers: 16, vocabSize: 128 };
    const { layers, mlpWidth, width } = config;
    const folder = await mkdtemp(join(tmpdir(), "philab-neurons-"));
    await writeSyntheticModel(join(folder, "model.gguf"), config, { type: "f32" });
    await using deep = await LanguageModel.open(join(folder, "model.gguf"), { threads: 1 });
    const sizes: number[] = []; // of all float arrays made meanwhile: captures, results, and the weights that are read
    const watched = <T extends typeof Float32Array | typeof Float64Array>(kind: T): T =>
      new Proxy(kind, {
        construct(target, values) {
          const made = Reflect.construct(target, values) as InstanceType<T>;
          sizes.push(made.length);
          return made;
        },
      });
    vi.stubGlobal("Float32Array", watched(Float32Array));
    vi.stubGlobal("Float64Array", watched(Float64Array));
    try {
      await logitAttribution(deep, [5, 80, 17, 3], { answer: 3, unit: "neuron", position: -1 });
    } finally {
      vi.unstubAllGlobals();
      await rm(folder, { recursive: true });
    }
    // As in TransformerLens's demo (12 layers: 12.0 times), the largest is W_out of one layer: here 16 times.
    const all = layers * mlpWidth * width; // what every neuron writes, at one position
    expect(all / Math.max(...sizes)).toBeGreaterThanOrEqual(12);
    // As large are W_in and W_out of each layer, and nothing else.
    expect(sizes.filter((size) => size >= mlpWidth * width)).toHaveLength(2 * layers);
  });

  test("takes no answer that is not a token", async () => {
    await expect(logitAttribution(phi, ids, { answer: 512 })).rejects.toThrow(/not in 0…511/);
  });
});

describe("the folded view", () => {
  test("has the log-probabilities of the model, and leaves the model as it was", async () => {
    const folder = await mkdtemp(join(tmpdir(), "philab-folded-"));
    try {
      await writeView(await openWeights(phi, "folded"), join(folder, "folded"));
      await using folded = await LanguageModel.open(join(folder, "folded"), {
        mode: "reference",
        threads: 1,
      });
      const [ours, raw] = await Promise.all([folded.run(ids), phi.run(ids)]);
      const logProbs = ({ logits: [logits = new Float32Array()] }: typeof raw): number[] => {
        const total = Math.log(logits.reduce((sum, value) => sum + Math.exp(value), 0));
        return Array.from(logits, (value) => value - total);
      };
      expect(maxDifference(logProbs(ours), logProbs(raw))).toBeLessThan(1e-5);
      expect(maxDifference(ours.logits[0] ?? [], raw.logits[0] ?? [])).toBeGreaterThan(1e-3);
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  test("writes nothing along the mean of the stream, and has values without bias", async () => {
    const view = await openWeights(phi, "folded");
    const { width } = phi.config;
    const { dense, mlp, v, norm } = await view.block(1);
    for (const { weight } of [dense, mlp?.fc2 ?? dense]) {
      const columns = weight.length / width;
      for (let c = 0; c < columns; c++) {
        let sum = 0;
        for (let d = 0; d < width; d++) sum += weight[d * columns + c] as number;
        expect(Math.abs(sum)).toBeLessThan(1e-5);
      }
    }
    expect(v.bias.every((value) => value === 0)).toBe(true);
    expect(norm.weight.every((value) => value === 1)).toBe(true);
    await expect(view.block(9)).rejects.toThrow(/no layer 9/);
  });
});

describe("patterns", () => {
  test("are lower triangles whose rows sum to 1", async () => {
    const { heads } = await attentionPatterns(phi, ids, { layers: [1], heads: [2, 0] });
    expect(heads.map(({ head }) => head)).toEqual([2, 0]);
    for (const { pattern } of heads)
      for (let query = 0; query < ids.length; query++) {
        const row = pattern.subarray(query * ids.length, (query + 1) * ids.length);
        expect(row.reduce((a, b) => a + b, 0)).toBeCloseTo(1, 6);
        expect(row.subarray(query + 1).every((share) => share === 0)).toBe(true);
      }
  });

  test("score 1 where they look just where such a head does", () => {
    for (const detector of DETECTORS) {
      const wanted = detectionPattern([5, 6, 7, 5, 6, 7], detector);
      expect(detectionScore(wanted, wanted)).toBe(1);
      expect(detectionScore(wanted, wanted, "distance")).toBe(1);
    }
    expect(() => detectionScore(new Float32Array(4), new Float32Array(9))).toThrow(
      /4 values for 9/,
    );
  });
});
