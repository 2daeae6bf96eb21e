/** Taking a direction out of the stream: as it runs, and out of the weights, are the same. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { Random } from "../../src/base/random.ts";
import { LanguageModel } from "../../src/generate/language-model.ts";
import { openWeights, type Edit, type WeightView } from "../../src/interpret/index.ts";
import { fixture, maxDifference } from "../support/golden.ts";
import { writeView } from "../support/weight-view.ts";

const ids = [451, 340, 497, 361, 133, 474, 136, 339];

test("a model whose weights write nothing along a direction is the model with that direction taken out of what it writes", async () => {
  await using phi = await LanguageModel.open(fixture("phi-mini"), {
    mode: "reference",
    threads: 1,
  });
  const { width } = phi.config;
  const random = new Random(5);
  const direction = Float64Array.from({ length: width }, () => random.normal());
  const length = Math.hypot(...direction);
  const unit = direction.map((value) => value / length);

  const directions = Float32Array.from(direction);
  const edits = (["hook_embed", "blocks.*.hook_attn_out", "blocks.*.hook_mlp_out"] as const).map(
    (at): Edit => ({ at, op: "projectOut", directions }),
  );
  const run = await phi.run(ids, { edits, capture: ["blocks.*.hook_resid_post"] });
  for (const { values } of run.captured.values())
    for (let start = 0; start < values.length; start += width) {
      const row = values.subarray(start, start + width);
      const share = row.reduce((sum, x, d) => sum + x * (unit[d] ?? 0), 0);
      expect(Math.abs(share)).toBeLessThan(1e-6 * Math.hypot(...row) + 1e-6);
    }
  const twice = await phi.run(ids, { edits: [...edits, ...edits] });
  expect(maxDifference(twice.logits[0] ?? [], run.logits[0] ?? [])).toBeLessThan(1e-5);

  const folder = await mkdtemp(join(tmpdir(), "philab-direction-"));
  try {
    await writeView(without(await openWeights(phi), unit), join(folder, "model"));
    await using changed = await LanguageModel.open(join(folder, "model"), {
      ...{ mode: "reference", threads: 1 },
    });
    const { logits } = await changed.run(ids);
    expect(maxDifference(logits[0] ?? [], run.logits[0] ?? [])).toBeLessThan(1e-4);
    expect(maxDifference(logits[0] ?? [], (await phi.run(ids)).logits[0] ?? [])).toBeGreaterThan(
      1e-2,
    );
  } finally {
    await rm(folder, { recursive: true });
  }
});

/** Embeddings, W_O, b_O, W_out and b_out without their share along a direction. */
function without(view: WeightView, unit: Float64Array): WeightView {
  const { width } = view.config;
  /** `[D, K]`: columns are written. */
  const columns = (weight: Float32Array): Float32Array => {
    const inputs = weight.length / width;
    const shares = Float64Array.from({ length: inputs }, (_, i) => {
      let sum = 0;
      for (let d = 0; d < width; d++) sum += (unit[d] ?? 0) * (weight[d * inputs + i] ?? 0);
      return sum;
    });
    return weight.map(
      (value, i) => value - (unit[Math.floor(i / inputs)] ?? 0) * (shares[i % inputs] ?? 0),
    );
  };
  const written = ({ weight, bias }: { weight: Float32Array; bias: Float32Array }) => ({
    weight: columns(weight),
    bias: columns(bias),
  });
  return {
    ...view,
    async embedding() {
      const table = await view.embedding();
      return Float32Array.from(table, (value, i) => {
        const start = i - (i % width);
        let share = 0;
        for (let d = 0; d < width; d++) share += (unit[d] ?? 0) * (table[start + d] ?? 0);
        return value - share * (unit[i % width] ?? 0);
      });
    },
    async block(layer) {
      const block = await view.block(layer);
      const { dense, mlp } = block;
      return { ...block, dense: written(dense), mlp: mlp && { ...mlp, fc2: written(mlp.fc2) } };
    },
  };
}
