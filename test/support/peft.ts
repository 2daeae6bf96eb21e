/** Adapters that PEFT made for phi-mini, the logits that it gives with them, and philab's. */
import { openCheckpoint } from "../../src/checkpoint/index.ts";
import { LanguageModel, type OpenOptions } from "../../src/generate/language-model.ts";
import { Sequence } from "../../src/generate/sequence.ts";
import type { Runner } from "../../src/model/runner.ts";
import { fixture, readTensors } from "./golden.ts";

export const ADAPTERS = ["plain", "rslora", "dora"] as const;

const logits = await openCheckpoint(fixture("peft/logits.safetensors"));
const inputs = logits.format === "safetensors" ? logits.metadata.get("input_ids") : undefined;

/** The text of the fixtures. */
export const ids = JSON.parse(inputs ?? "[]") as number[];

const values = await readTensors(fixture("peft/logits.safetensors"));

/** PEFT's logits, `[T · V]`; `base` are those of the model alone. */
export function peftLogits(name: (typeof ADAPTERS)[number] | "base"): Float32Array {
  return values.get(name)?.values ?? new Float32Array();
}

/** philab's logits at every position of `ids`, `[T · V]`, from an empty cache. */
export async function logitsOf(runner: Runner): Promise<Float32Array> {
  const type = runner.mode === "reference" ? "f32" : "f16";
  using sequence = new Sequence(runner, { capacity: 64, type });
  const rows: number[] = [];
  for (let t = 1; t <= ids.length; t++)
    rows.push(...(await sequence.read(ids.slice(0, t), { reuse: "longest" })).logits);
  return Float32Array.from(rows);
}

/** Opens a model of the fixtures' shape; in reference mode where nothing else is said. */
export async function openMini(
  path = fixture("phi-mini"),
  options: OpenOptions = {},
): Promise<LanguageModel> {
  return LanguageModel.open(path, { mode: "reference", threads: 1, ...options });
}
