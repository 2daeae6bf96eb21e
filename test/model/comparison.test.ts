/** GPT-2, Llama and Mistral against transformers, on tiny random models (`reference/comparison_models.py`). */
import { readFile, cp, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openCheckpoint } from "../../src/checkpoint/index.ts";
import { LanguageModel, type OpenOptions } from "../../src/generate/language-model.ts";
import { Sequence } from "../../src/generate/sequence.ts";
import { sweep } from "../../src/interpret/sweep.ts";
import type { Edit } from "../../src/model/hooks/edits.ts";
import type { HookName } from "../../src/model/hooks/names.ts";
import { KV_CACHE_TYPES } from "../../src/model/kv-cache.ts";
import { fixture, maxDifference, readFixture, readTensors } from "../support/golden.ts";

const ARCHITECTURES = ["gpt2", "llama"] as const;
type Architecture = (typeof ARCHITECTURES)[number];

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "philab-comparison-"));
});
afterAll(() => rm(folder, { recursive: true }));

const files = (architecture: Architecture, file = ""): string =>
  fixture(path.join("comparison", architecture, file));

const open = (architecture: Architecture, options: OpenOptions & { file?: string } = {}) => {
  const { file = "", ...rest } = options;
  return LanguageModel.open(files(architecture, file), { mode: "reference", threads: 1, ...rest });
};

async function expectedOf(architecture: Architecture): Promise<{
  ids: number[];
  greedy: number[];
  values: Awaited<ReturnType<typeof readTensors>>;
}> {
  const file = files(architecture, "expected.safetensors");
  const { metadata } = (await openCheckpoint(file)) as { metadata: ReadonlyMap<string, string> };
  const [ids] = JSON.parse(metadata.get("input_ids")!) as number[][];
  const greedy = JSON.parse(metadata.get("greedy_ids")!) as number[];
  return { ids: ids!, greedy, values: await readTensors(file) };
}

const logitsIn = (values: Awaited<ReturnType<typeof readTensors>>): Float32Array =>
  values.get("logits")!.values;

async function allLogits(model: LanguageModel, ids: readonly number[]): Promise<Float32Array> {
  return (await model.run(ids, { capture: ["hook_logits"] })).get("hook_logits").values;
}

describe.each(ARCHITECTURES)("%s against transformers", (architecture) => {
  it("gives every inner value and the logits, within 2e-5", async () => {
    const { ids, values } = await expectedOf(architecture);
    await using model = await open(architecture);
    const names = [...values.keys()] as HookName[];
    expect(names).toHaveLength({ gpt2: 45, llama: 50 }[architecture]);
    const run = await model.run([ids], { capture: names });
    for (const name of names) {
      expect(run.get(name).shape, name).toEqual(values.get(name)?.shape);
      expect(maxDifference(run.get(name).values, values.get(name)!.values), name).toBeLessThan(
        2e-5,
      );
    }
  });

  it("writes its greedy continuation, token by token through the cache", async () => {
    const { ids, greedy } = await expectedOf(architecture);
    await using model = await open(architecture);
    const maxTokens = greedy.length - ids.length;
    const { tokens } = await model.complete(ids, { temperature: 0, maxTokens });
    expect([...ids, ...tokens.map(({ id }) => id)]).toEqual(greedy);
  });

  it("gives its logits through caches of every type, in blocks and one by one", async () => {
    const { ids, values } = await expectedOf(architecture);
    const wanted = logitsIn(values);
    const limits = { f32: 2e-5, f16: 0.02, q8_0: 0.2 };
    for (const mode of ["reference", "fast"] as const)
      for (const type of KV_CACHE_TYPES) {
        await using model = await open(architecture, { mode });
        for (const step of [1, 4]) {
          using sequence = new Sequence(model.runner, { capacity: 32, type });
          for (let end = step; end <= ids.length; end += step) {
            const { logits } = await sequence.read(ids.slice(0, end), { reuse: "longest" });
            const row = wanted.subarray((end - 1) * logits.length, end * logits.length);
            const limit = mode === "fast" ? Math.max(limits[type], 0.02) : limits[type];
            expect(maxDifference(logits, row), `${mode} ${type} ${end}`).toBeLessThan(limit);
          }
        }
      }
  });

  it("reads a GGUF file with quantised weights in llama.cpp's names and order", async () => {
    const { ids } = await expectedOf(architecture);
    const wanted = logitsIn(await readTensors(files(architecture, "q8_0.safetensors")));
    for (const [mode, repack, limit] of [
      ["reference", true, 2e-5],
      ["fast", true, 0.25], // activations are rounded to 8 bits
      ["fast", false, 0.25],
    ] as const) {
      await using model = await open(architecture, { file: "q8_0.gguf", mode, repack });
      expect(model.weights.memory.types).toHaveProperty(mode === "fast" ? "q8_0" : "f32");
      const found = await allLogits(model, ids);
      expect(maxDifference(found, wanted), `${mode} ${repack}`).toBeLessThan(limit);
    }
  });

  it("computes in a sweep what whole runs with the same edits give", async () => {
    const { ids } = await expectedOf(architecture);
    await using model = await open(architecture);
    const metric = { kind: "logProb", token: 5 } as const;
    const places = [
      "hook_resid_pre",
      "hook_resid_mid",
      "attn.hook_z",
      "attn.hook_v",
      "hook_mlp_out",
    ];
    const variants = places.flatMap((place): Edit[][] =>
      [0, 1].map((l) => [
        { op: "scale", at: `blocks.${l}.${place}` as HookName, factor: 0.5, positions: [4, -1] },
      ]),
    );
    const { values } = await sweep(model, ids, { variants, metric });
    for (const [i, edits] of variants.entries()) {
      const run = await model.run(ids, { edits, metric });
      expect(values[i], JSON.stringify(edits)).toBeCloseTo(run.metric[0]!, 4);
    }
  });

  it("has gradients that are the slopes of its metric", async () => {
    const { ids } = await expectedOf(architecture);
    await using model = await open(architecture);
    const metric = { kind: "logit", token: 9 } as const;
    const hooks: HookName[] = ["v0", "k0", "resid_mid1", "post0", "blocks.0.hook_ln2_out"];
    const base = await model.run(ids, { capture: hooks, metric, gradients: hooks });
    for (const at of hooks) {
      const gradient = base.gradient(at);
      const length = Math.hypot(...gradient.values);
      const step = 1e-2 / length;
      const moved = async (by: number): Promise<number> => {
        const value = { shape: gradient.shape, values: gradient.values };
        const edits: Edit[] = [{ op: "add", at, value, scale: by }];
        return (await model.run(ids, { edits, metric })).metric[0]!;
      };
      const slope = ((await moved(step)) - (await moved(-step))) / (2 * step);
      expect(Math.abs(slope / length ** 2 - 1), at).toBeLessThan(0.02);
    }
  });

  it("scores, and says of what is made for Phi alone that it is", async () => {
    const { ids, values } = await expectedOf(architecture);
    await using model = await open(architecture);
    const [score] = await model.score(ids.slice(0, 3), [ids.slice(3, 5)]);
    const row = logitsIn(values).subarray(2 * 128, 3 * 128);
    const normaliser = Math.log(row.reduce((sum, x) => sum + Math.exp(x), 0));
    expect(score?.tokens[0]?.logprob).toBeCloseTo(row[ids[3]!]! - normaliser, 4);
    await expect(model.loadAdapter(fixture("peft/plain"))).rejects.toMatchObject({
      code: "unsupported",
    });
    await expect(model.run(ids, { capture: ["blocks.0.hook_none" as HookName] })).rejects.toThrow(
      "has no hook",
    );
    expect(() => model.weights.phi).toThrow("not for");
  });
});

describe("mistral", () => {
  it("computes what transformers computes, in a context that ends with its window", async () => {
    const { ids, logits } = readFixture<{ ids: number[]; logits: number[][] }>(
      "comparison/llama/mistral.json",
    );
    const directory = path.join(folder, "mistral");
    await cp(files("llama"), directory, { recursive: true });
    const config = JSON.parse(
      await readFile(path.join(directory, "config.json"), "utf8"),
    ) as object;
    const changed = { ...config, model_type: "mistral", sliding_window: 16 };
    await rm(path.join(directory, "q8_0.gguf"));
    await writeFile(path.join(directory, "config.json"), JSON.stringify(changed));
    await using model = await LanguageModel.open(directory, { mode: "reference", threads: 1 });
    expect(model.contextLength).toBe(16);
    expect(maxDifference(await allLogits(model, ids), logits.flat())).toBeLessThan(2e-5);
    await expect(model.run([...ids, ...ids])).rejects.toMatchObject({ code: "too_long" });
  });
});

describe("configurations", () => {
  const refused: Record<string, [Architecture, object, string]> = {
    "another activation": ["llama", { hidden_act: "gelu" }, "the activation gelu"],
    "biases of attention": ["llama", { attention_bias: true }, "attention_bias"],
    "stretched positions": ["llama", { rope_scaling: { type: "linear" } }, 'RoPE scaling "linear"'],
    "heads that do not share evenly": ["llama", { num_key_value_heads: 3 }, "cannot share 3 heads"],
    "unscaled attention": ["gpt2", { scale_attn_weights: false }, "scale_attn_weights"],
    "a head of its own": ["gpt2", { tie_word_embeddings: false }, "tie_word_embeddings"],
    "another width": ["gpt2", { n_embd: 48 }, "not [128, 48]"],
  };
  it.each(Object.entries(refused))("with %s are refused", async (name, [of, change, says]) => {
    const directory = path.join(folder, name);
    await cp(files(of), directory, { recursive: true });
    await rm(path.join(directory, "q8_0.gguf"));
    const file = path.join(directory, "config.json");
    const config = JSON.parse(await readFile(file, "utf8")) as object;
    await writeFile(file, JSON.stringify({ ...config, ...change }));
    await expect(LanguageModel.open(directory, { threads: 1 })).rejects.toThrow(says);
  });
});
