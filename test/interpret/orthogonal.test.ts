import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { Backend } from "../../src/engine/backend.ts";
import { LanguageModel } from "../../src/generate/language-model.ts";
import type { Edit } from "../../src/model/hooks/edits.ts";
import { TrainableModel } from "../../src/train/trainable-model.ts";
import { fixture, maxDifference, readFixture } from "../support/golden.ts";

const { input_ids: prompts } = readFixture<{ input_ids: number[][] }>("phi-mini/inputs.json");

it("taking a direction out of all that writes to the stream is what weights without it do", async () => {
  const direction = Float32Array.from({ length: 64 }, (_, i) => Math.cos(1 + 2 * i));
  const length = Math.hypot(...direction);
  const unit = direction.map((x) => x / length);
  const folder = await mkdtemp(join(tmpdir(), "philab-orthogonal-"));
  try {
    using backend = new Backend({ device: "cpu", threads: 1 });
    {
      using model = await TrainableModel.load(fixture("phi-mini"), backend);
      // Columns that write: rows of the embedding, and the biases; columns of W_O and W_out, [D, …] on disk.
      for (const [name, tensor] of model.parameters) {
        const writes = /embed_tokens|self_attn\.dense|mlp\.fc2/.test(name);
        if (!writes) continue;
        const values = tensor.read();
        const byRow = name.includes("embed_tokens") || name.endsWith(".bias");
        const [stride, count] = byRow
          ? [1, values.length / 64]
          : [values.length / 64, values.length / 64];
        for (let k = 0; k < count; k++) {
          const at = (i: number): number => (byRow ? k * 64 + i : i * stride + k);
          const share = unit.reduce((sum, d, i) => sum + d * (values[at(i)] as number), 0);
          unit.forEach((d, i) => (values[at(i)] = (values[at(i)] as number) - share * d));
        }
        tensor.write(values);
      }
      await model.write(folder);
    }
    const options = { mode: "reference", threads: 1 } as const;
    await using phi = await LanguageModel.open(fixture("phi-mini"), options);
    await using without = await LanguageModel.open(folder, options);
    const edits = (["hook_embed", "attn_out*", "mlp_out*"] as const).map((at): Edit => ({
      op: "projectOut",
      at,
      directions: direction,
    }));
    const [edited, plain] = [await phi.run(prompts, { edits }), await without.run(prompts)];
    prompts.forEach((_, b) => {
      expect(maxDifference(edited.logits[b] ?? [], plain.logits[b] ?? [])).toBeLessThan(1e-4);
    });
    const untouched = await phi.run(prompts);
    expect(maxDifference(edited.logits[0] ?? [], untouched.logits[0] ?? [])).toBeGreaterThan(0.01);
  } finally {
    await rm(folder, { recursive: true });
  }
});
