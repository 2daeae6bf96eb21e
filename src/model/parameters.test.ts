import { describe, expect, it } from "vitest";
import { openCheckpoint, readTensor } from "../checkpoint/open.ts";
import type {
  Checkpoint,
  GgufCheckpoint,
  SafetensorsCheckpoint,
  TensorEntry,
} from "../checkpoint/types.ts";
import { rowBytes } from "../engine/dtypes.ts";
import { configFromCheckpoint, PHI_PRESETS, type PhiConfig } from "./config.ts";
import { GGUF_LAYOUT, LAYOUTS, locate } from "./layouts.ts";
import {
  countParameters,
  listParameters,
  resolveParameters,
  type ParameterSource,
} from "./parameters.ts";

const legacy = (name: string) => openCheckpoint(`test/fixtures/phi-mini-legacy/${name}`);
const golden = await openCheckpoint("test/fixtures/phi-mini");
const config = configFromCheckpoint(golden);

/** The bytes of a parameter, its rows gathered. */
async function gather({ entry, rows }: ParameterSource): Promise<Uint8Array> {
  const rowLength = entry.shape.length > 1 ? (entry.shape.at(-1) ?? 1) : 1;
  const size = rowBytes(entry.dtype, rowLength);
  const ranges = rows ?? [{ start: 0, count: entry.shape[0] ?? 1 }];
  const parts = ranges.map(({ start, count }) =>
    readTensor(entry, { start: start * size, end: (start + count) * size }),
  );
  return Buffer.concat(await Promise.all(parts));
}

async function expectGoldenValues(checkpoint: Checkpoint, of: PhiConfig = config): Promise<void> {
  const sources = resolveParameters(checkpoint, of);
  expect([...sources.keys()]).toEqual(listParameters(config).map(({ name }) => name));
  for (const [name, source] of sources) {
    const expected = golden.tensors.get(name);
    if (!expected) throw new Error(name);
    expect(source.shape).toEqual(expected.shape);
    const equal = Buffer.compare(await gather(source), await readTensor(expected)) === 0;
    expect(equal, name).toBe(true);
  }
}

/** `from` as if its tensors had other names. */
function renamed(from: Checkpoint, rename: (name: string) => string): GgufCheckpoint {
  const entries = [...from.tensors.values()].map((entry): [string, TensorEntry] => {
    const name = rename(entry.name);
    return [name, { ...entry, name }];
  });
  return { format: "gguf", path: "x.gguf", metadata: new Map(), tensors: new Map(entries) };
}

/** The golden model with some of its tensors changed; undefined removes one. */
function altered(changes: Record<string, Partial<TensorEntry> | undefined>): SafetensorsCheckpoint {
  const tensors = new Map(golden.tensors);
  for (const [name, change] of Object.entries(changes)) {
    const like = tensors.get(name) ?? tensors.get("lm_head.bias");
    if (change === undefined) tensors.delete(name);
    else if (like) tensors.set(name, { ...like, name, ...change });
  }
  return { ...(golden as SafetensorsCheckpoint), tensors };
}

describe("the parameters of a model", () => {
  it("are as many as the model cards say", () => {
    expect(countParameters(PHI_PRESETS["phi-1"])).toBe(1_418_270_720);
    expect(countParameters(PHI_PRESETS["phi-2"])).toBe(2_779_683_840);
    expect(listParameters(PHI_PRESETS["phi-2"])).toHaveLength(453);
  });

  it("have no MLP where the model has none", () => {
    const names = listParameters({ ...config, mlpWidth: 0 }).map(({ name }) => name);
    expect(names).toHaveLength(10 * 2 + 5);
    expect(names.filter((name) => name.includes("mlp"))).toEqual([]);
  });
});

describe("resolveParameters", () => {
  it("finds the same values in all three older layouts", async () => {
    await expectGoldenValues(golden);
    for (const name of ["interim", "phi-msft", "mixformer"]) {
      const checkpoint = await legacy(name);
      await expectGoldenValues(checkpoint, configFromCheckpoint(checkpoint));
    }
  });

  it("finds them under GGUF's names, with queries, keys and values apart or in one", async () => {
    const names = new Map(
      listParameters(config).map(({ name }) => [name, locate(GGUF_LAYOUT, name, config).name]),
    );
    await expectGoldenValues(renamed(golden, (name) => names.get(name) ?? name));
    const msft = LAYOUTS.find(({ title }) => title === "phi-msft");
    const fused = LAYOUTS.find(({ title }) => title === "GGUF with attn_qkv");
    if (!msft || !fused) throw new Error("layouts");
    const fusedNames = new Map(
      listParameters(config).map(({ name }) => [
        locate(msft, name, config).name,
        locate(fused, name, config).name,
      ]),
    );
    await expectGoldenValues(
      renamed(await legacy("phi-msft"), (name) => fusedNames.get(name) ?? name),
    );
  });

  it("names what is missing, too many and of another shape, all at once", () => {
    const broken = altered({
      "model.layers.1.mlp.fc1.weight": undefined,
      "model.layers.0.mlp.fc1.bias": { shape: [255] },
      "model.layers.2.mlp.fc1.bias": {},
      "model.layers.2.mlp.fc2.bias": {},
    });
    expect(() => resolveParameters(broken, config)).toThrow(
      "(Hugging Face layout): 1 tensor is missing: model.layers.1.mlp.fc1.weight; " +
        "2 tensors are not expected: model.layers.2.mlp.fc1.bias, model.layers.2.mlp.fc2.bias; " +
        "1 tensor is of another shape: model.layers.0.mlp.fc1.bias is [255], not [256]",
    );
  });

  it("names three of many and counts the rest", () => {
    expect(() => resolveParameters(golden, { ...config, layers: 3 })).toThrow(
      /14 tensors are missing: model\.layers\.2\.self_attn\.q_proj\.weight, .* and 11 more/,
    );
  });

  it("speaks of an older layout in its own names", async () => {
    const checkpoint = await legacy("phi-msft");
    expect(() => resolveParameters(checkpoint, { ...config, vocabSize: 500 })).toThrow(
      /\(phi-msft layout\): .*transformer\.embd\.wte\.weight is \[512, 64\], not \[500, 64\]/,
    );
  });

  it("passes over masks, rotation tables and empty tensors", () => {
    const extra = altered({
      "model.layers.0.self_attn.rotary_emb.inv_freq": {},
      "model.layers.0.self_attn.bias": {},
      "transformer.h.0.attn.masked_bias": {},
      "model.layers.0.empty": { sizeBytes: 0 },
    });
    expect(resolveParameters(extra, config).size).toBe(33);
  });

  it("refuses weights of a type that holds no fractions", () => {
    const integers = altered({ "lm_head.weight": { dtype: "i8" } });
    expect(() => resolveParameters(integers, config)).toThrow("lm_head.weight is stored as i8");
    const other = altered({ "lm_head.weight": undefined });
    const float8 = { ...other, otherTensors: new Map([["lm_head.weight", "F8_E4M3"]]) };
    expect(() => resolveParameters(float8, config)).toThrow("lm_head.weight is stored as F8_E4M3");
  });

  it("lists the layouts it knows when it recognises none", () => {
    const foreign = renamed(golden, (name) => `gpt_neox.${name}`);
    expect(() => resolveParameters(foreign, config)).toThrow(
      expect.objectContaining({
        code: "unsupported",
        message: expect.stringContaining("begins with gpt_neox.") as string,
        hint: expect.stringContaining("mixformer-sequential") as string,
      }) as Error,
    );
  });
});
