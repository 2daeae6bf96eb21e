import { describe, expect, it } from "vitest";
import { openCheckpoint } from "../../src/checkpoint/index.ts";
import { LanguageModel } from "../../src/generate/language-model.ts";
import { Sequence } from "../../src/generate/sequence.ts";
import { fixture, maxDifference, readTensors } from "../support/golden.ts";

const ADAPTERS = ["plain", "rslora", "dora"];
const logits = await openCheckpoint(fixture("peft/logits.safetensors"));
const ids = JSON.parse(
  (logits.format === "safetensors" && logits.metadata.get("input_ids")) || "[]",
) as number[];
const expected = await readTensors(fixture("peft/logits.safetensors"));

/** Logits at every position of `ids`, `[T · V]`, from an empty cache. */
async function logitsOf(model: LanguageModel, adapter: string | null): Promise<Float32Array> {
  const runner = model.runnerFor(adapter);
  using sequence = new Sequence(runner, { capacity: 64, type: model.cacheType });
  const rows: Float32Array[] = [];
  for (let t = 1; t <= ids.length; t++)
    rows.push((await sequence.read(ids.slice(0, t), { reuse: "longest" })).logits);
  return Float32Array.from(rows.flatMap((row) => [...row]));
}

describe("adapters made by PEFT", () => {
  for (const name of ADAPTERS)
    it(`${name}: gives PEFT's logits`, async () => {
      await using model = await LanguageModel.open(fixture("phi-mini"), {
        mode: "reference",
        threads: 1,
      });
      await model.loadAdapter(fixture(`peft/${name}`));
      const d = maxDifference(await logitsOf(model, name), expected.get(name)!.values);
      expect(d).toBeLessThan(1e-4);
    });
});
