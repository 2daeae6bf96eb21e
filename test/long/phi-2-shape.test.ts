/** Two layers of Phi-2's exact shape (head 80, rotary 32, vocabulary 51,200) against transformers. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { writeSafetensors } from "../../src/checkpoint/index.ts";
import { LanguageModel } from "../../src/generate/language-model.ts";
import { Sequence } from "../../src/generate/sequence.ts";
import { maxDifference, readFixture } from "../support/golden.ts";
import {
  PHI_2_SHAPE_CONFIG,
  phi2ShapeParameters,
  phi2ShapeValues,
} from "../support/phi-2-shape.ts";

interface Case {
  ids: number[];
  next_logprobs: number[];
  last_logits: { values: number[] };
  top10: [id: number, logit: number][];
}

const { cases, logit_columns: columns } = readFixture<{ cases: Case[]; logit_columns: number[] }>(
  "phi-2-shape.json",
);

describe("Phi-2's shape", () => {
  let directory: string;
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), "phi-2-shape-"));
    const parameters = phi2ShapeParameters();
    const byName = new Map(parameters.map((parameter) => [parameter.name, parameter]));
    await writeFile(join(directory, "config.json"), JSON.stringify(PHI_2_SHAPE_CONFIG));
    await writeSafetensors(
      join(directory, "model.safetensors"),
      parameters.map(({ name, shape }) => ({ name, shape, dtype: "f32" })),
      function* ({ name }) {
        const parameter = byName.get(name);
        if (parameter === undefined) return;
        for (let start = 0; start < parameter.size; start += 1 << 22) {
          const end = Math.min(parameter.size, start + (1 << 22));
          yield new Uint8Array(phi2ShapeValues(parameter, start, end).buffer);
        }
      },
    );
  });
  afterAll(() => rm(directory, { recursive: true }));

  it("gives transformers' logits and log-probabilities within 1e-4 in reference mode", async () => {
    await using model = await LanguageModel.open(directory, { mode: "reference", threads: 2 });
    for (const { ids, next_logprobs, last_logits, top10 } of cases) {
      const [score] = await model.score(ids.slice(0, 1), [ids.slice(1)]);
      const logprobs = score?.tokens.map(({ logprob }) => logprob) ?? [];
      using sequence = new Sequence(model.runner, { capacity: 64, type: "f32" });
      const { logits } = await sequence.read(ids);
      const found = columns.map((column) => logits[column] ?? NaN);
      const top = top10.map(([id]) => logits[id] ?? NaN);
      const differences = [
        maxDifference(logprobs, next_logprobs),
        maxDifference(found, last_logits.values),
        maxDifference(
          top,
          top10.map(([, logit]) => logit),
        ),
      ];
      console.log(`${ids.length} tokens: largest differences ${differences.join(", ")}`);
      expect(Math.max(...differences)).toBeLessThan(1e-4);
    }
  });
});
