/** Models whose weights are packed for kernels of our own, beside the same models on ggml's. */
import { readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { LanguageModel } from "../../src/generate/language-model.ts";
import { kernelStatus } from "../../src/kernels/kernels.ts";
import { quantizeModel } from "../../src/model/quantize.ts";

const bundled = new URL("../../models/phi-micro", import.meta.url).pathname;
/** English, in pieces that fit the context. */
const text = ["README.md", "CONTRIBUTING.md", "ARCHITECTURE.md", "AGENTS.md"]
  .map((name) => readFileSync(new URL(`../../${name}`, import.meta.url), "utf8"))
  .join("\n")
  .slice(0, 5_000);
const pieces = text.match(/[^]{1,500}/g) ?? [];

async function openWith(kernels: string, file: string, repack = true): Promise<LanguageModel> {
  vi.stubEnv("PHILAB_KERNELS", kernels);
  try {
    return await LanguageModel.open(file, { threads: 1, repack });
  } finally {
    vi.unstubAllEnvs();
  }
}

/** exp of the mean negative log-probability of all tokens but the first of each piece. */
async function perplexity(model: LanguageModel): Promise<number> {
  let [sum, count] = [0, 0];
  for (const piece of pieces) {
    const [score] = await model.score(piece.slice(0, 1), [piece.slice(1)]);
    for (const { logprob } of score?.tokens ?? []) {
      sum -= logprob;
      count++;
    }
  }
  return Math.exp(sum / count);
}

describe.runIf(kernelStatus("").kernels?.multipliesQuantized)("packed weights", () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(path.join(os.tmpdir(), "philab-kernels-"));
  });
  afterAll(async () => {
    await rm(folder, { recursive: true });
  });

  for (const type of ["q8_0", "q4_0"] as const)
    it(`of type ${type} leave the perplexity of a text where ggml's have it, within 0.1 %`, async () => {
      const file = path.join(folder, `${type}.gguf`);
      await quantizeModel({ from: bundled, to: file, type });
      await using own = await openWith("", file);
      // Unpacked, ggml quantises activations as we do.
      await using ggml = await openWith("ggml", file, false);
      expect(own.weights.memory.repackedBytes).toBeGreaterThan(0);
      const [found, wanted] = [await perplexity(own), await perplexity(ggml)];
      expect(Math.abs(found / wanted - 1)).toBeLessThan(0.001);
    });

  it("read a prompt the same to the bit, in one piece or in several", async () => {
    await using model = await openWith("", path.join(folder, "q8_0.gguf"));
    const prompt = text.slice(0, 600);
    const options = { temperature: 0, maxTokens: 3, logprobs: 3 } as const;
    const fresh = await model.complete(prompt, { ...options, reuse: "none" });
    await model.complete(prompt.slice(0, 300), options);
    expect(await model.complete(prompt, options)).toEqual(fresh);
  });
});
