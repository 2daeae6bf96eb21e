/** Models whose weights are packed for kernels of our own, beside the same models on ggml's. */
import { mkdtemp, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { kernelStatus } from "../../src/kernels/kernels.ts";
import { englishPieces, openWith, perplexity, quantizedMicro } from "../support/perplexity.ts";

describe.runIf(kernelStatus("").kernels?.multipliesQuantized)("packed weights", () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(path.join(os.tmpdir(), "philab-kernels-"));
  });
  afterAll(async () => {
    await rm(folder, { recursive: true });
  });

  // The whole text and all types: test/long/perplexity.test.ts.
  for (const [type, level] of [
    ["q8_0", ""],
    ["q4_0", ""],
    ["q4_k_m", ""],
    ["q4_k_m", "avx2"],
  ] as const)
    it(`of type ${type} leave the perplexity of a text where ggml's have it, within 0.1 %${level && `, with ${level}`}`, async () => {
      const pieces = await englishPieces(4_000);
      const file = await quantizedMicro(folder, type);
      await using own = await openWith(level, file);
      // Unpacked, ggml quantises activations as we do.
      await using ggml = await openWith("ggml", file, { repack: false });
      expect(own.weights.memory.repackedBytes).toBeGreaterThan(0);
      const [found, wanted] = [await perplexity(own, pieces), await perplexity(ggml, pieces)];
      expect(Math.abs(found / wanted - 1)).toBeLessThan(0.001);
    });

  it("read a prompt the same to the bit, in one piece or in several", async () => {
    await using model = await openWith("", await quantizedMicro(folder, "q8_0"));
    const [prompt = ""] = await englishPieces(500);
    const options = { temperature: 0, maxTokens: 3, logprobs: 3 } as const;
    const fresh = await model.complete(prompt, { ...options, reuse: "none" });
    await model.complete(prompt.slice(0, 250), options);
    expect(await model.complete(prompt, options)).toEqual(fresh);
  });
});
