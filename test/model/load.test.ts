import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openCheckpoint, readTensor, writeGguf } from "../../src/checkpoint/index.ts";
import { tensorBytes, type DType } from "../../src/engine/dtypes.ts";
import { liveBytes } from "../../src/engine/memory.ts";
import { quantizeRows } from "../../src/engine/quantize.ts";
import { LanguageModel, type OpenOptions } from "../../src/generate/language-model.ts";
import { PHI_PRESETS } from "../../src/model/config.ts";
import { convertModel } from "../../src/model/convert.ts";
import { writeSyntheticModel } from "../../src/model/synthetic.ts";
import { damagedModel, entryOf, type ModelParts } from "../support/damaged.ts";
import { fixture, maxDifference } from "../support/golden.ts";

const mini = fixture("phi-mini");
const ids = [7, 100, 3, 250, 42];

let directory: string;
let copies = 0;
const newPath = () => join(directory, `${copies++}`);
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "philab-load-"));
});
afterAll(() => rm(directory, { recursive: true, force: true }));

/** The five most likely tokens after `ids`, with their log-probabilities. */
async function topAfter(model: LanguageModel): Promise<{ ids: number[]; logprobs: number[] }> {
  const { tokens } = await model.complete(ids, { temperature: 0, maxTokens: 1, logprobs: 5 });
  const top = tokens[0]?.top ?? [];
  return { ids: top.map(({ id }) => id), logprobs: top.map(({ logprob }) => logprob) };
}

async function topOf(path: string, options: OpenOptions = {}): ReturnType<typeof topAfter> {
  await using model = await LanguageModel.open(path, { threads: 1, ...options });
  return topAfter(model);
}

/** Writes phi-mini as GGUF with one tensor in another type; in one that ggml writes no files in, as zeros. */
async function withTensor(name: string, dtype: DType): Promise<string> {
  const plain = `${newPath()}.gguf`;
  await convertModel({ from: mini, to: plain });
  const checkpoint = await openCheckpoint(plain);
  if (checkpoint.format !== "gguf") throw new Error("no GGUF file was written");
  const { tensors, metadata } = checkpoint;
  const specs = [...tensors.values()].map((entry) => ({
    name: entry.name,
    shape: entry.shape,
    dtype: entry.name === name ? dtype : entry.dtype,
  }));
  const changed = `${newPath()}.gguf`;
  const data = async function* (spec: {
    name: string;
    dtype: DType;
  }): AsyncGenerator<Uint8Array, void> {
    const entry = tensors.get(spec.name);
    if (entry === undefined) throw new Error(`no tensor ${spec.name}`);
    const bytes = await readTensor(entry);
    if (spec.dtype === entry.dtype) yield bytes;
    else if (spec.dtype === "q8_1" || spec.dtype === "q8_k")
      yield new Uint8Array(tensorBytes(spec.dtype, entry.shape));
    else yield await quantizeRows(spec.dtype, new Float32Array(bytes.buffer), entry.shape[0] ?? 1);
  };
  await writeGguf(changed, specs, data, { metadata });
  return changed;
}

/** Stores every tensor in 64 bits. */
function asDoubles(parts: ModelParts): void {
  const values = new Float32Array(new Uint8Array(parts.data).buffer);
  parts.data = Buffer.from(Float64Array.from(values).buffer);
  for (const entry of Object.values(parts.header)) {
    entry.dtype = "F64";
    entry.data_offsets = [2 * entry.data_offsets[0], 2 * entry.data_offsets[1]];
  }
}

/** Moves all tensors by one byte: the header gets a space more. */
function shiftedByOne(file: Buffer): Uint8Array {
  const length = Number(file.readBigUInt64LE());
  const start = Buffer.alloc(8);
  start.writeBigUInt64LE(BigInt(length + 1));
  const [header, data] = [file.subarray(8, 8 + length), file.subarray(8 + length)];
  return Buffer.concat([start, header, Buffer.from(" "), data]);
}

describe("loading weights", () => {
  for (const mode of ["fast", "reference"] as const)
    it(`takes tensors at odd places of a file for the same numbers in ${mode} mode`, async () => {
      const odd = await damagedModel(newPath(), { bytes: shiftedByOne });
      expect(await topOf(odd, { mode })).toEqual(await topOf(mini, { mode }));
    });

  it("reads weights of 64 bits", async () => {
    const doubles = await damagedModel(newPath(), { edit: asDoubles });
    expect(await topOf(doubles)).toEqual(await topOf(mini));
  });

  it("reads a quantised vector", async () => {
    const path = await withTensor("output_norm.weight", "q8_0");
    const [found, expected] = [await topOf(path), await topOf(mini)];
    expect(maxDifference(found.logprobs, expected.logprobs)).toBeLessThan(0.05);
  });

  it("refuses weights that ggml cannot multiply, in either mode", async () => {
    for (const mode of ["fast", "reference"] as const)
      await expect(
        LanguageModel.open(await withTensor("output.weight", "q8_1"), { mode }),
      ).rejects.toMatchObject({ code: "unsupported" });
  });

  it("computes in reference mode with the values that quantised weights stand for", async () => {
    const [quantized, decoded] = [`${newPath()}.gguf`, newPath()];
    await convertModel({ from: mini, to: quantized, dtype: "q8_0" });
    await convertModel({ from: quantized, to: decoded, dtype: "f32" });
    const options = { mode: "reference" } as const;
    expect(await topOf(quantized, options)).toEqual(await topOf(decoded, options));
  });

  it("ends cleanly when it is interrupted while several weights are repacked", async () => {
    const path = `${newPath()}.gguf`;
    const shape = { width: 512, heads: 8, headSize: 64, mlpWidth: 2048, layers: 4 };
    const config = {
      ...PHI_PRESETS["phi-1"],
      ...shape,
      vocabSize: 1024,
      bosTokenId: 0,
      eosTokenId: 0,
    };
    await writeSyntheticModel(path, config, { type: "q4_0" });
    const before = liveBytes();
    for (let tensors = 1; tensors <= 40; tensors += 3) {
      const controller = new AbortController();
      let done = 0;
      const onProgress = (): void => {
        if (++done === tensors) controller.abort();
      };
      await expect(
        LanguageModel.open(path, { threads: 2, signal: controller.signal, onProgress }),
      ).rejects.toMatchObject({ code: "interrupted" });
      expect(liveBytes()).toBe(before);
    }
  });
});

describe("a model of which one token's embedding is no number", () => {
  const poisoned = 9;
  let model: LanguageModel;
  beforeAll(async () => {
    const path = await damagedModel(newPath(), {
      edit: ({ header, data }) => {
        const [start] = entryOf(header, "model.embed_tokens.weight").data_offsets;
        data.writeFloatLE(NaN, start + 4 * 64 * poisoned);
      },
    });
    model = await LanguageModel.open(path, { mode: "reference", threads: 1 });
  });
  afterAll(() => model[Symbol.asyncDispose]());

  it("reads the next prompt as if the failed one had not been", async () => {
    const expected = await topOf(mini, { mode: "reference" });
    const long = [...Array<number>(30).fill(5), poisoned];
    await expect(model.complete(long)).rejects.toMatchObject({ code: "engine_failed" });
    expect(await topAfter(model)).toEqual(expected);
    await expect(model.score(ids, [[5, 5, 5, poisoned, 6]])).rejects.toMatchObject({
      code: "engine_failed",
    });
    expect(await topAfter(model)).toEqual(expected);
  });

  it("names the first value that is none while other prompts are being read", async () => {
    const calls = [
      [1, poisoned],
      [2, 3],
      [poisoned, 4],
    ].map((prompt) => model.complete(prompt, { maxTokens: 20, temperature: 0 }));
    const [first, second, third] = await Promise.allSettled(calls);
    for (const failed of [first, third])
      expect(failed).toMatchObject({
        status: "rejected",
        reason: { code: "engine_failed", message: expect.stringContaining("hook_embed") as string },
      });
    expect(second?.status).toBe("fulfilled");
  });
});
