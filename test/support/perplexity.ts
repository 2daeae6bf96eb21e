/** Perplexity of the project's own English, for models of every weight type: the bundled one, and the same grown to whole K-quant blocks. */
import { existsSync } from "node:fs";
import { copyFile, mkdir, readdir, readFile } from "node:fs/promises";
import path from "node:path";
import { vi } from "vitest";
import { Backend } from "../../src/engine/backend.ts";
import { LanguageModel } from "../../src/generate/language-model.ts";
import { quantizeModel, type Quantization } from "../../src/model/quantize.ts";
import { grow, grownConfig } from "../../src/train/grow.ts";
import { TrainableModel } from "../../src/train/trainable-model.ts";

const root = new URL("../../", import.meta.url).pathname;
const BUNDLED = path.join(root, "models", "phi-micro");
const TEXTS = ["README.md", "CONTRIBUTING.md", "ARCHITECTURE.md", "AGENTS.md", "docs/training.md"];

/** The first `bytes` of what the project says about itself, in pieces that fit the bundled model's context. */
export async function englishPieces(bytes: number): Promise<string[]> {
  const texts = await Promise.all(TEXTS.map((name) => readFile(path.join(root, name), "utf8")));
  const text = texts.join("\n").slice(0, bytes);
  if (text.length < bytes) throw new Error(`only ${text.length} of ${bytes} letters`);
  return text.match(/[^]{1,500}/g) ?? [];
}

/**
 * The bundled model in a type. K-quants need rows of 256: for these it is grown to width 256, which leaves its logits as they are.
 *
 * @returns the GGUF file
 */
export async function quantizedMicro(folder: string, type: Quantization): Promise<string> {
  const to = path.join(folder, `${type}.gguf`);
  if (existsSync(to)) return to;
  const from = /k/.test(type) ? await grownMicro(folder) : BUNDLED;
  await quantizeModel({ from, to, type });
  return to;
}

async function grownMicro(folder: string): Promise<string> {
  const grown = path.join(folder, "grown");
  if ((await mkdir(grown, { recursive: true })) === undefined) return grown;
  using backend = new Backend({ device: "cpu", threads: 1 });
  using small = await TrainableModel.load(BUNDLED, backend);
  const sizes = { heads: 8, headSize: 32, width: 256, mlpWidth: 1024 };
  using large = grow(small, grownConfig(small.config, { ...small.config, ...sizes }), { seed: 1 });
  await large.write(grown);
  for (const file of await readdir(BUNDLED))
    if (/tokenizer|generation/.test(file))
      await copyFile(path.join(BUNDLED, file), path.join(grown, file));
  return grown;
}

/** Opens a model on one thread under a value of `PHILAB_KERNELS`. */
export async function openWith(
  kernels: string,
  file: string,
  { repack = true }: { repack?: boolean } = {},
): Promise<LanguageModel> {
  vi.stubEnv("PHILAB_KERNELS", kernels);
  try {
    return await LanguageModel.open(file, { threads: 1, repack });
  } finally {
    vi.unstubAllEnvs();
  }
}

/** exp of the mean negative log-probability of all tokens but the first letter's of each piece. */
export async function perplexity(model: LanguageModel, pieces: readonly string[]): Promise<number> {
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
