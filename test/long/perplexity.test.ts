/** Perplexity of 20 kB of English with every quantisation, on kernels of our own beside ggml's. */
import { mkdtemp, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { kernelStatus } from "../../src/kernels/kernels.ts";
import type { Quantization } from "../../src/model/quantize.ts";
import { englishPieces, openWith, perplexity, quantizedMicro } from "../support/perplexity.ts";

const TYPES: readonly Quantization[] = ["f16", "q8_0", "q4_0", "q4_k_m", "q5_k_m", "q6_k"];
const levels = (["avx512", "avx2"] as const).filter(
  (level) => kernelStatus(level).kernels !== undefined,
);

describe.runIf(levels.length > 0)("the perplexity of 20 kB of text", () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(path.join(os.tmpdir(), "philab-perplexity-"));
  });
  afterAll(async () => {
    await rm(folder, { recursive: true });
  });

  for (const type of TYPES)
    it(`is ggml's within 0.1 % with ${type}`, async () => {
      const pieces = await englishPieces(20_000);
      const file = await quantizedMicro(folder, type);
      const under = async (kernels: string): Promise<number> => {
        await using model = await openWith(kernels, file, { repack: kernels !== "ggml" });
        return await perplexity(model, pieces);
      };
      const wanted = await under("ggml");
      for (const level of levels) {
        const found = await under(level);
        console.log(`${type} ${level}: ${found.toFixed(4)}, ggml ${wanted.toFixed(4)}`);
        expect(Math.abs(found / wanted - 1)).toBeLessThan(0.001);
      }
    });
});
