import { createHash } from "node:crypto";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openCheckpoint, readTensor } from "../checkpoint/open.ts";
import type { TensorSpec } from "../checkpoint/types.ts";
import { convertModel } from "./convert.ts";
import { configFromCheckpoint } from "./config.ts";
import { resolveParameters } from "./parameters.ts";
import { chooseTypes, quantizeModel, QUANTIZATIONS, type Quantization } from "./quantize.ts";

const micro = "models/phi-micro";

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "philab-quantize-"));
});
afterEach(() => rm(directory, { recursive: true, force: true }));
const at = (name: string) => join(directory, name);

async function readFixture<T>(name: string): Promise<T> {
  return JSON.parse(await readFile(join("test/fixtures", name), "utf8")) as T;
}

describe("chooseTypes", () => {
  it("gives every matrix the type that llama.cpp gives it", async () => {
    type Types = Record<Quantization, Record<string, string>>;
    const { models } = await readFixture<{ models: Record<string, Types> }>(
      "llama-quantize-mix.json",
    );
    expect(Object.keys(models).length).toBeGreaterThan(0);
    for (const [model, types] of Object.entries(models)) {
      const width = Number(/width (\d+)/.exec(model)?.[1]);
      for (const type of QUANTIZATIONS) {
        const specs = Object.keys(types[type]).map((name): TensorSpec => {
          const rowLength = name.includes("ffn_down") ? 4 * width : width;
          return { name, dtype: "f32", shape: [width, rowLength] };
        });
        const chosen = [...chooseTypes(specs, type)].map(([name, { dtype }]) => [name, dtype]);
        expect(Object.fromEntries(chosen), `${model}, ${type}`).toEqual(types[type]);
      }
    }
  });

  it("falls back to f16 where no block divides a row", () => {
    const spec: TensorSpec = { name: "output.weight", dtype: "f32", shape: [10, 80] };
    for (const type of QUANTIZATIONS)
      expect(chooseTypes([spec], type).get(spec.name)).toMatchObject({ dtype: "f16" });
  });
});

describe("quantizeModel", () => {
  it.runIf(process.arch === "x64")("writes the very bytes that llama.cpp writes", async () => {
    const { sha256 } = await readFixture<{ sha256: Record<Quantization, string> }>(
      "checkpoint/phi-micro-llama-quantized.json",
    );
    for (const type of QUANTIZATIONS) {
      const to = at(`${type}.gguf`);
      await quantizeModel({ from: micro, to, type });
      const { tensors } = await openCheckpoint(to);
      const hash = createHash("sha256");
      for (const name of [...tensors.keys()].sort()) {
        const entry = tensors.get(name);
        if (entry) hash.update(await readTensor(entry));
      }
      expect(hash.digest("hex"), type).toBe(sha256[type]);
    }
  });

  it("reports every tensor's type, and which type its rows did not allow", async () => {
    const to = at("q4.gguf");
    const { tensors, sizeBytes, sourceBytes, config } = await quantizeModel({
      from: micro,
      to,
      type: "q4_k_m",
    });
    const { tensors: written } = await openCheckpoint(to);
    expect(tensors.map(({ name, dtype }) => [name, dtype])).toEqual(
      [...written.values()].map(({ name, dtype }) => [name, dtype]),
    );
    const find = (name: string) => tensors.find((tensor) => tensor.name === name);
    expect(find("output.weight")).toMatchObject({ from: "f32", dtype: "q8_0", wanted: "q6_k" });
    expect(find("blk.0.attn_q.weight")).toMatchObject({ dtype: "q5_0", wanted: "q4_k" });
    expect(find("blk.0.attn_q.bias")).toEqual({
      name: "blk.0.attn_q.bias",
      shape: [160],
      from: "f32",
      dtype: "f32",
    });
    expect(sourceBytes).toBe(4 * 2_202_528);
    expect(sizeBytes).toBe([...written.values()].reduce((sum, t) => sum + t.sizeBytes, 0));
    expect(config).toEqual(configFromCheckpoint(await openCheckpoint(micro)));
  });

  it("makes the same file from a GGUF copy as from the original", async () => {
    await convertModel({ from: micro, to: at("phi-micro.gguf") });
    await quantizeModel({ from: at("phi-micro.gguf"), to: at("a.gguf"), type: "q8_0" });
    await quantizeModel({ from: micro, to: at("b.gguf"), type: "q8_0" });
    expect(Buffer.compare(await readFile(at("a.gguf")), await readFile(at("b.gguf")))).toBe(0);
  });

  it("quantises the older layouts too", async () => {
    const to = at("x.gguf");
    await quantizeModel({ from: "test/fixtures/phi-mini-legacy/interim", to, type: "q8_0" });
    const checkpoint = await openCheckpoint(to);
    expect(resolveParameters(checkpoint, configFromCheckpoint(checkpoint)).size).toBe(33);
  });

  it("refuses to quantise twice unless told to", async () => {
    await quantizeModel({ from: micro, to: at("q8.gguf"), type: "q8_0" });
    const again = { from: at("q8.gguf"), to: at("q4.gguf"), type: "q4_0" as const };
    await expect(quantizeModel(again)).rejects.toMatchObject({
      code: "bad_input",
      message: `${at("q8.gguf")} is quantised already: token_embd.weight is q8_0`,
    });
    const { tensors } = await quantizeModel({ ...again, allowRequantize: true });
    expect(tensors[0]).toMatchObject({ from: "q8_0", dtype: "q4_0" });
  });
});
