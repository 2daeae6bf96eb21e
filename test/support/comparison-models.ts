/** Tiny random models of the other architectures with phi-micro's tokenizer: the fixtures, with more rows in their tables. */
import { cp, mkdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { PACKAGE_ROOT } from "../../src/base/package.ts";
import { writeSafetensors } from "../../src/checkpoint/safetensors-write.ts";
import { fixture, readTensors } from "./golden.ts";

export type Architecture = "gpt2" | "llama";

const ROWS = 2048;

/** A directory under `folder` with a model that reads text. */
export async function writeReader(folder: string, architecture: Architecture): Promise<string> {
  const source = fixture(path.join("comparison", architecture));
  const directory = path.join(folder, architecture);
  await mkdir(directory);
  const config = JSON.parse(await readFile(path.join(source, "config.json"), "utf8")) as object;
  await writeFile(
    path.join(directory, "config.json"),
    JSON.stringify({ ...config, vocab_size: ROWS, bos_token_id: 0, eos_token_id: 0 }),
  );
  for (const file of ["tokenizer.json", "tokenizer_config.json"])
    await cp(path.join(PACKAGE_ROOT, "models", "phi-micro", file), path.join(directory, file));
  const tensors = [...(await readTensors(path.join(source, "model.safetensors")))].map(
    ([name, { shape, values }]) => {
      if (!/wte|embed_tokens|lm_head/.test(name)) return { name, shape, values };
      const wider = Float32Array.from(
        { length: ROWS * (shape[1] ?? 1) },
        // No two rows are the same.
        (_, i) => (values[i % values.length] ?? 0) * (1 + Math.floor(i / values.length) / 8),
      );
      return { name, shape: [ROWS, shape[1] ?? 1], values: wider };
    },
  );
  const bytes = new Map(tensors.map(({ name, values }) => [name, new Uint8Array(values.buffer)]));
  await writeSafetensors(
    path.join(directory, "model.safetensors"),
    tensors.map(({ name, shape }) => ({ name, shape, dtype: "f32" as const })),
    ({ name }) => [bytes.get(name) ?? new Uint8Array()],
  );
  return directory;
}
