import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { LabError } from "../../src/base/errors.ts";
import { writeSafetensors } from "../../src/checkpoint/index.ts";
import { Backend } from "../../src/engine/backend.ts";
import { quantizeRows } from "../../src/engine/quantize.ts";
import { loraConfig } from "../../src/model/adapter-config.ts";
import { openAdapter } from "../../src/model/adapter-file.ts";
import { mergeAdapter } from "../../src/model/adapter-merge.ts";
import { fitAdapter, type AdapterSource } from "../../src/model/adapter-source.ts";
import { writeAdapter } from "../../src/model/adapter-write.ts";
import { Adapter } from "../../src/model/adapter.ts";
import { configFromJson } from "../../src/model/config.ts";
import { convertModel } from "../../src/model/convert.ts";
import { fixture, maxDifference, readFixture, readTensors } from "../support/golden.ts";
import { ADAPTERS, logitsOf, openMini, peftLogits } from "../support/peft.ts";

const mini = fixture("phi-mini");
const config = configFromJson(readFixture("phi-mini/config.json"), "phi-mini");
const { width: D } = config;

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "philab-adapter-"));
});
afterEach(() => rm(directory, { recursive: true, force: true }));
const at = (...names: string[]) => join(directory, ...names);
const load = async (path: string) => fitAdapter(await openAdapter(path), config);

/** A and B of every module, scaled: what an adapter adds, whatever its file says. */
async function valuesOf({ modules }: AdapterSource) {
  const found = new Map<string, Float32Array[]>();
  for (const [name, { read, scale }] of modules) {
    const { a, b, magnitude = new Float32Array() } = await read();
    found.set(name, [a, b.map((value) => value * scale), magnitude]);
  }
  return found;
}

async function expectSame(found: AdapterSource, wanted: AdapterSource): Promise<void> {
  const [a, b] = [await valuesOf(found), await valuesOf(wanted)];
  expect([...a.keys()]).toEqual([...b.keys()]);
  for (const [name, parts] of a)
    parts.forEach((part, i) =>
      expect(maxDifference(part, b.get(name)![i]!), name).toBeLessThan(1e-6),
    );
}

describe("an adapter that is written", () => {
  for (const name of ADAPTERS)
    it(`for PEFT holds what PEFT's own holds (${name})`, async () => {
      const source = await load(fixture(`peft/${name}`));
      await writeAdapter(source, at("copy"), { model: config });
      const copy = await load(at("copy"));
      expect(copy.config).toEqual(source.config);
      await expectSame(copy, source);
      const [a, b] = await Promise.all(
        [at("copy"), fixture(`peft/${name}`)].map((path) =>
          readTensors(join(path, "adapter_model.safetensors")),
        ),
      );
      expect([...a!.keys()].sort()).toEqual([...b!.keys()].sort());
    });

  for (const name of ["plain", "rslora"] as const)
    it(`for llama.cpp adds the same, and becomes PEFT's again (${name})`, async () => {
      const source = await load(fixture(`peft/${name}`));
      await writeAdapter(source, at("a.gguf"), { model: config });
      const gguf = await load(at("a.gguf"));
      await expectSame(gguf, source);
      expect(gguf.config.baseModel).toBe("test/fixtures/phi-mini");
      await writeAdapter(gguf, at("back"), { model: config });
      await expectSame(await load(at("back")), source);
      await using model = await openMini();
      await model.loadAdapter(at("back"));
      const found = await logitsOf(model.runnerFor("back"));
      expect(maxDifference(found, peftLogits(name))).toBeLessThan(1e-5);
    });

  it("for llama.cpp can be arranged as a model with attn_qkv wants it", async () => {
    for (const name of ["plain", "rslora"] as const) {
      const source = await load(fixture(`peft/${name}`));
      await writeAdapter(source, at("fused.gguf"), { model: config, fused: true, replace: true });
      const { modules } = await openAdapter(at("fused.gguf"));
      const rank = name === "plain" ? 8 : 12;
      expect(modules.get("blk.1.attn_qkv")).toMatchObject({
        rank,
        a: { shape: [rank, D] },
        b: { shape: [3 * D, rank] },
      });
      expect([...modules.keys()].filter((key) => /attn_[qkv]$/.test(key))).toEqual([]);
      await using model = await openMini();
      await model.loadAdapter(at("fused.gguf"));
      const found = await logitsOf(model.runnerFor("fused"));
      expect(maxDifference(found, peftLogits(name))).toBeLessThan(1e-5);
    }
  });

  it("is refused where training has left the numbers", async () => {
    using backend = new Backend({ device: "cpu" });
    using adapter = Adapter.create(loraConfig(), { model: config, backend, seed: 0 });
    const [name, tensor] = [...adapter.parameters][1]!;
    tensor.write(tensor.read().fill(Infinity));
    const writing = writeAdapter(adapter.source("memory", config), at("x"), { model: config });
    await expect(writing).rejects.toMatchObject({
      code: "bad_input",
      message: `the adapter is not written: base_model.model.${name} holds Infinity`,
    });
    await expect(readFile(at("x", "adapter_config.json"))).rejects.toThrow("ENOENT");
  });

  it("from memory is the one that was loaded", async () => {
    const source = await load(fixture("peft/rslora"));
    using backend = new Backend({ device: "cpu" });
    using adapter = await Adapter.load(source, { backend, base: new Map() });
    await writeAdapter(adapter.source("memory", config), at("copy"), { model: config });
    await expectSame(await load(at("copy")), source);
  });

  it("does not replace another unless it may", async () => {
    const source = await load(fixture("peft/plain"));
    await writeAdapter(source, at("copy"), { model: config });
    await expect(writeAdapter(source, at("copy"), { model: config })).rejects.toMatchObject({
      code: "bad_input",
      message: expect.stringContaining("exists already") as string,
    });
    await writeAdapter(source, at("copy"), { model: config, replace: true });
  });

  it("with DoRA has no place in a GGUF file", async () => {
    const source = await load(fixture("peft/dora"));
    await expect(writeAdapter(source, at("a.gguf"), { model: config })).rejects.toMatchObject({
      code: "unsupported",
      hint: "Merge it into the model: philab adapter merge.",
    });
  });

  it("may be stored in 16 bits", async () => {
    const source = await load(fixture("peft/plain"));
    for (const dtype of ["f16", "bf16"] as const) {
      await rm(at("made"), { recursive: true, force: true });
      const tensors: Record<string, Part> = {};
      for (const [name, module] of source.modules) {
        const { a, b } = await module.read();
        tensors[`base_model.model.${name}.lora_A.weight`] = [[4, a.length / 4], a];
        tensors[`base_model.model.${name}.lora_B.weight`] = [[b.length / 4, 4], b];
      }
      await writePeft({ r: 4, lora_alpha: 8 }, tensors, dtype);
      const found = await valuesOf(await load(at("made")));
      for (const [name, parts] of await valuesOf(source))
        parts.forEach((part, i) =>
          expect(maxDifference(found.get(name)![i]!, part)).toBeLessThan(5e-3),
        );
    }
  });
});

describe("an adapter for an older layout", () => {
  it("has one A for queries, keys and values, and rows of B for each", async () => {
    const [a, b] = [ramp(2 * D), ramp(3 * D * 2)];
    const prefix = "base_model.model.transformer.h.1.mixer.Wqkv";
    await writePeft(
      { r: 2, lora_alpha: 6, target_modules: ["transformer.h.1.mixer.Wqkv"] },
      { [`${prefix}.lora_A.weight`]: [[2, D], a], [`${prefix}.lora_B.weight`]: [[3 * D, 2], b] },
    );
    const { modules, config: described } = await load(at("made"));
    const names = ["q_proj", "k_proj", "v_proj"].map((n) => `model.layers.1.self_attn.${n}`);
    expect([...modules.keys()]).toEqual(names);
    for (const [i, name] of names.entries()) {
      const values = await modules.get(name)!.read();
      expect(values.a).toEqual(a);
      expect(values.b).toEqual(b.subarray(i * 2 * D, (i + 1) * 2 * D));
      expect(modules.get(name)!.scale).toBe(3);
    }
    expect(described).toMatchObject({ rank: 2, alpha: 6, targetModules: names });
  });
});

describe("a merged model", () => {
  for (const name of ADAPTERS)
    for (const to of ["merged", "merged.gguf"])
      it(`needs no adapter to give the logits that it had with ${name} (${to})`, async () => {
        const { changed, tensors } = await mergeAdapter({
          model: mini,
          adapter: fixture(`peft/${name}`),
          to: at(to),
        });
        expect(changed).toHaveLength((await load(fixture(`peft/${name}`))).modules.size);
        expect(tensors.every(({ dtype }) => dtype === "f32")).toBe(true);
        await using merged = await openMini(at(to));
        await using model = await openMini();
        await model.loadAdapter(fixture(`peft/${name}`));
        const found = await logitsOf(merged.runner);
        expect(maxDifference(found, await logitsOf(model.runnerFor(name)))).toBeLessThan(1e-5);
        expect(maxDifference(found, peftLogits(name))).toBeLessThan(1e-5);
      });

  it("can be made from any layout", async () => {
    for (const layout of ["mixformer", "phi-msft", "interim"]) {
      const model = fixture(`phi-mini-legacy/${layout}`);
      await mergeAdapter({ model, adapter: fixture("peft/rslora"), to: at(layout) });
      await using merged = await openMini(at(layout));
      const found = await logitsOf(merged.runner);
      expect(maxDifference(found, peftLogits("rslora"))).toBeLessThan(1e-5);
    }
  });

  it("keeps the types of its tensors, but for quantised ones that change", async () => {
    await convertModel({ from: mini, to: at("q8.gguf"), dtype: "q8_0" });
    const { tensors } = await mergeAdapter({
      model: at("q8.gguf"),
      adapter: fixture("peft/plain"),
      to: at("merged.gguf"),
    });
    for (const { name, dtype, from } of tensors) {
      const changes = /(attn_[qv]|ffn_(up|down))\.weight$/.test(name);
      expect({ name, dtype }).toEqual({ name, dtype: changes ? "f16" : from });
    }
  });

  it("leaves nothing behind where the adapter does not fit", async () => {
    const merging = mergeAdapter({
      model: "models/phi-micro",
      adapter: fixture("peft/plain"),
      to: at("merged"),
    });
    await expect(merging).rejects.toMatchObject({ code: "bad_input" });
    await expect(readFile(at("merged", "config.json"))).rejects.toThrow("ENOENT");
  });
});

describe("an adapter that does not fit", () => {
  const refusal = async (path: string): Promise<LabError> => {
    try {
      await load(path);
    } catch (error) {
      expect(error).toBeInstanceOf(LabError);
      return error as LabError;
    }
    throw new Error("it was taken");
  };
  const first = "model.layers.0.self_attn.q_proj";
  const pair = (module: string, [outputs, rank, inputs]: [number, number, number]) => ({
    [`base_model.model.${module}.lora_A.weight`]: [[rank, inputs], ramp(rank * inputs)] as Part,
    [`base_model.model.${module}.lora_B.weight`]: [[outputs, rank], ramp(outputs * rank)] as Part,
  });
  const ofAll = (names: string[]) =>
    Object.assign({}, ...names.map((name) => pair(name, [D, 4, D]))) as Record<string, Part>;
  const queries = [0, 1].map((l) => `model.layers.${l}.self_attn.q_proj`);

  it("was made for a model of another width", async () => {
    await writePeft(
      { r: 4, target_modules: ["q_proj"], base_model_name_or_path: "microsoft/phi-2" },
      pair(first, [2560, 4, 2560]),
    );
    expect(await refusal(at("made"))).toMatchObject({
      code: "bad_input",
      message: `${at("made")} is an adapter for another model: base_model.model.${first}.lora_A.weight is [4, 2560], and the model's layer reads 64 values`,
      hint: "It says that it was made for microsoft/phi-2.",
    });
  });

  it("was made for a model with more layers, or of another family", async () => {
    const last = "model.layers.31.self_attn.q_proj";
    await writePeft({ r: 4, target_modules: ["q_proj"] }, { ...ofAll([...queries, last]) });
    expect((await refusal(at("made"))).message).toMatch(`the model has no ${last}`);
    await writePeft({ r: 4, target_modules: ["c_attn"] }, ofAll(["transformer.h.0.attn.c_attn"]));
    expect(await refusal(at("made"))).toMatchObject({
      message: expect.stringContaining("the model has no transformer.h.0.attn.c_attn") as string,
      hint: "It does not say which model it was made for.",
    });
  });

  it("has A and no B, or B and no A", async () => {
    const { [`base_model.model.${first}.lora_B.weight`]: b, ...a } = ofAll(queries);
    await writePeft({ r: 4, target_modules: ["q_proj"] }, a);
    expect(await refusal(at("made"))).toMatchObject({
      code: "corrupt_file",
      message: `${at("made")}: ${first} has A and no B`,
    });
    await writePeft({ r: 4 }, { [`base_model.model.${first}.lora_B.weight`]: b! });
    expect((await refusal(at("made"))).message).toContain(`${first} has B and no A`);
  });

  it("has another rank than its configuration says", async () => {
    await writePeft({ r: 8, target_modules: ["q_proj"] }, ofAll(queries));
    expect(await refusal(at("made"))).toMatchObject({
      code: "corrupt_file",
      message: expect.stringContaining(
        "lora_A.weight is [4, 64] and base_model.model.model.layers.0.self_attn.q_proj.lora_B.weight is [64, 4], of which rank 8 wants [8, inputs] and [outputs, 8]",
      ) as string,
    });
  });

  it("names target modules that mean no layer, where PEFT would change nothing", async () => {
    await writePeft({ r: 4, target_modules: ["q_proj", "qkv_proj"] }, ofAll(queries));
    expect(await refusal(at("made"))).toMatchObject({
      code: "bad_input",
      message: `${at("made")}: the target module qkv_proj means no layer of the model`,
      hint: expect.stringContaining("Did you mean") as string,
    });
  });

  it("holds fewer modules than it names, or others", async () => {
    await writePeft({ r: 4, target_modules: ["q_proj"] }, ofAll([first]));
    expect(await refusal(at("made"))).toMatchObject({
      code: "corrupt_file",
      message: `${at("made")}: its target modules mean model.layers.1.self_attn.q_proj, which the file has nothing for`,
    });
    await writePeft({ r: 4, target_modules: ["k_proj"] }, ofAll(queries));
    expect((await refusal(at("made"))).code).toBe("corrupt_file");
  });

  it("changes an embedding, or brings whole weights along", async () => {
    const table = "base_model.model.model.embed_tokens";
    await writePeft({ r: 4 }, { [`${table}.lora_embedding_A`]: [[4, 512], ramp(2048)] });
    expect(await refusal(at("made"))).toMatchObject({
      code: "unsupported",
      message: expect.stringContaining("changes an embedding") as string,
    });
    await writePeft({ r: 4 }, { [`${table}.weight`]: [[512, D], ramp(512 * D)] });
    expect(await refusal(at("made"))).toMatchObject({
      code: "unsupported",
      message: `${at("made")} holds a whole weight besides the adapter: ${table}.weight`,
    });
  });

  it("holds numbers that are none", async () => {
    const tensors = ofAll(queries);
    tensors[`base_model.model.${first}.lora_B.weight`]![1][5] = NaN;
    await writePeft({ r: 4, target_modules: ["q_proj"] }, tensors);
    await using model = await openMini();
    await expect(model.loadAdapter(at("made"))).rejects.toMatchObject({
      code: "corrupt_file",
      message: expect.stringMatching(/q_proj\.lora_B\.weight holds NaN$/) as string,
    });
    expect([...model.adapters]).toEqual([]);
  });

  it("has no magnitudes where it should, or has them where it should not", async () => {
    await writePeft({ r: 4, target_modules: ["q_proj"], use_dora: true }, ofAll(queries));
    expect((await refusal(at("made"))).message).toContain("has no lora_magnitude_vector");
  });

  it("is not there, is a pickle, or lies in folders of which none was named", async () => {
    expect(await refusal(at("nowhere"))).toMatchObject({ code: "not_found" });
    await mkdir(at("parts"));
    expect((await refusal(at("parts"))).message).toBe(`${at("parts")} has no adapter_config.json`);
    for (const name of ["one", "two"])
      await cp(fixture("peft/plain"), at("parts", name), { recursive: true });
    expect(await refusal(at("parts"))).toMatchObject({
      code: "bad_input",
      hint: `Name one: ${at("parts", "one")} or ${at("parts", "two")}.`,
    });
    await rm(at("parts", "one", "adapter_model.safetensors"));
    expect((await refusal(at("parts", "one"))).message).toMatch("has no adapter_model.safetensors");
    await writeFile(at("parts", "one", "adapter_model.bin"), "");
    expect((await refusal(at("parts", "one"))).message).toMatch("is a Python pickle");
  });

  it("is a model, or a file of some other kind", async () => {
    await convertModel({ from: mini, to: at("mini.gguf") });
    expect(await refusal(at("mini.gguf"))).toMatchObject({
      code: "unsupported",
      message: `${at("mini.gguf")} is no LoRA adapter for Phi: its general.type is model, not adapter`,
    });
    expect((await refusal(join(mini, "model.safetensors"))).code).toBe("unsupported");
  });

  it("was cut short or damaged anywhere: an error by name, never a crash", async () => {
    await writeAdapter(await load(fixture("peft/plain")), at("a.gguf"), { model: config });
    await cp(fixture("peft/plain"), at("copy"), { recursive: true });
    for (const [file, path] of [
      [at("copy", "adapter_model.safetensors"), at("copy")],
      [at("copy", "adapter_config.json"), at("copy")],
      [at("a.gguf"), at("a.gguf")],
    ] as const) {
      const whole = await readFile(file);
      const header = Math.min(whole.length, 4000);
      await fc.assert(
        fc.asyncProperty(
          fc.nat(header - 1),
          fc.integer({ min: 1, max: 255 }),
          fc.boolean(),
          async (place, change, cut) => {
            const damaged = Buffer.from(cut ? whole.subarray(0, place) : whole);
            if (!cut) damaged[place]! ^= change;
            await writeFile(file, damaged);
            try {
              const source = await load(path);
              for (const { read } of source.modules.values()) await read();
            } catch (error) {
              expect(error).toBeInstanceOf(LabError);
              expect((error as LabError).code).not.toBe("internal");
            }
          },
        ),
        { numRuns: 60 },
      );
      await writeFile(file, whole);
    }
  });
});

type Part = [shape: number[], values: Float32Array];

function ramp(length: number): Float32Array {
  return Float32Array.from({ length }, (_, i) => (i + 1) / length);
}

/** Writes the adapter `made`. */
async function writePeft(
  fields: Record<string, unknown>,
  tensors: Record<string, Part>,
  dtype: "f32" | "f16" | "bf16" = "f32",
): Promise<void> {
  await mkdir(at("made"), { recursive: true });
  const json = JSON.stringify({ peft_type: "LORA", ...fields });
  await writeFile(at("made", "adapter_config.json"), json);
  const specs = Object.entries(tensors).map(([name, [shape]]) => ({ name, dtype, shape }));
  await writeSafetensors(
    at("made", "adapter_model.safetensors"),
    specs,
    async function* ({ name }) {
      const [shape, values] = tensors[name]!;
      yield await quantizeRows(dtype, values, shape.at(-1) ?? 1);
    },
  );
}
