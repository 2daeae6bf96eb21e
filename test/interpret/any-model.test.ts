import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { liveBytes } from "../../src/engine/memory.ts";
import { kernelStatus } from "../../src/kernels/kernels.ts";
import { LanguageModel, type OpenOptions } from "../../src/generate/language-model.ts";
import { sweep } from "../../src/interpret/sweep.ts";
import type { PhiConfig } from "../../src/model/config.ts";
import type { Edit } from "../../src/model/hooks/edits.ts";
import { writeSyntheticModel } from "../../src/model/synthetic.ts";
import { fixture, maxDifference } from "../support/golden.ts";
import { ids as prompt, openMini } from "../support/peft.ts";

const config: PhiConfig = {
  layers: 2,
  heads: 4,
  headSize: 64,
  width: 256,
  mlpWidth: 512,
  vocabSize: 512,
  contextLength: 64,
  rotaryDims: 32,
  ropeTheta: 10_000,
  layerNormEps: 1e-5,
};
const metric = { kind: "logitDifference", right: 11, wrong: 7 } as const;
let folder: string;
const file = (type: string): string => join(folder, `${type}.gguf`);

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "philab-any-"));
  for (const type of ["q4_k_m", "q8_0", "f16"] as const)
    await writeSyntheticModel(file(type), config, { type, seed: 3 });
});
afterAll(() => rm(folder, { recursive: true }));

/** Every way in which weights and caches can lie in memory, and how far numbers may be apart in it. */
const MODELS: [string, () => Promise<LanguageModel>, number][] = [
  ...(["q4_k_m", "q8_0", "f16"] as const)
    .flatMap((type): [string, OpenOptions, number][] => [
      [type, {}, 0.05],
      [type, { repack: false }, 0.05],
      [type, { mode: "reference" }, 1e-4],
      [type, { cacheType: "q8_0" }, 0.05],
    ])
    .map(([type, options, tolerance]): [string, () => Promise<LanguageModel>, number] => [
      `${type} ${JSON.stringify(options)}`,
      () => LanguageModel.open(file(type), { threads: 1, ...options }),
      tolerance,
    ]),
  ...(["plain", "dora"] as const).map((name): [string, () => Promise<LanguageModel>, number] => [
    `an adapter, ${name}`,
    async () => {
      const model = await openMini();
      await model.loadAdapter(fixture(`peft/${name}`));
      model.useAdapter(name);
      return model;
    },
    1e-4,
  ]),
];

describe("looking inside works the same with", () => {
  for (const [what, open, tolerance] of MODELS)
    it(what, async () => {
      const before = liveBytes();
      {
        await using phi = await open();
        const [heads, width] = [phi.config.heads, phi.config.width];
        const near = (a: ArrayLike<number>, b: ArrayLike<number>): void => {
          const size = Math.max(1, ...Array.from(b, Math.abs));
          expect(maxDifference(a, b)).toBeLessThan(tolerance * size);
        };
        const plain = await phi.run(prompt, {
          capture: ["result1", "attn_out1", "resid_pre1", "q_input1", "pattern1"],
          metric,
        });
        // What the heads add, less the bias, which is what is left when nothing is read.
        const silent = await phi.run(prompt, {
          capture: ["attn_out1"],
          edits: [{ op: "zero", at: "z1" }],
        });
        const results = plain.get("result1").values;
        const sum = silent.get("attn_out1").values.map((bias, i) => {
          const [row, d] = [Math.floor(i / width), i % width];
          let total = bias;
          for (let n = 0; n < heads; n++) total += results[(row * heads + n) * width + d] as number;
          return total;
        });
        near(sum, plain.get("attn_out1").values);
        for (const at of ["result1", "q_input1", "mlp_in1", "attn_in0"] as const) {
          const edits: Edit[] = [{ op: "scale", at, factor: 1, positions: [-1] }];
          near((await phi.run(prompt, { edits })).logits[0] ?? [], plain.logits[0] ?? []);
        }
        const edits: Edit[] = [{ op: "scale", at: "pattern1", factor: 0.5, heads: [1] }];
        const [edited = 0] = (await phi.run(prompt, { edits, metric })).metric;
        const swept = await sweep(phi, prompt, { variants: [edits, []], metric });
        near([swept.values[0] ?? 0, swept.values[1] ?? 0], [edited, plain.metric[0] ?? 0]);
        const { tokens } = await phi.complete(prompt, {
          edits,
          temperature: 0,
          maxTokens: 1,
          logprobs: 1,
        });
        const [logits = new Float32Array()] = (await phi.run(prompt, { edits })).logits;
        near([logits[tokens[0]?.id ?? 0] ?? 0], [Math.max(...logits)]);
      }
      expect(liveBytes()).toBe(before);
    });

  it("gradients through quantised weights, packed or not: those of the same weights in 32 bits", async () => {
    const at = "blocks.0.hook_resid_post";
    const gradient = async (options: OpenOptions): Promise<Float32Array> => {
      await using phi = await LanguageModel.open(file("q4_k_m"), { threads: 1, ...options });
      return (await phi.run(prompt, { metric, gradients: [at] })).gradient(at).values;
    };
    const exact = await gradient({ mode: "reference" });
    // Without our kernels the backend may have repacked them, and then it says that it cannot.
    const packed = kernelStatus().kernels?.readsPacked === true;
    for (const options of packed ? [{ repack: false }, {}] : [{ repack: false }]) {
      const found = await gradient(options);
      const apart = Math.hypot(...found.map((x, i) => x - (exact[i] as number)));
      expect(apart).toBeLessThan(0.05 * Math.hypot(...exact));
    }
  });
});
