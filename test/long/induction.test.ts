/** Training finds a mechanism: two layers of attention learn to repeat what they have read. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { LanguageModel } from "../../src/generate/language-model.ts";
import { INDUCTION_CONFIG, trainInductionModel } from "../support/induction-model.ts";

const folder = mkdtempSync(join(tmpdir(), "philab-induction-"));
afterAll(() => {
  rmSync(folder, { recursive: true });
});

it("learns induction from repeated random tokens", async () => {
  const { path, secondHalfLoss } = await trainInductionModel(folder);
  console.log(`second-half loss: ${secondHalfLoss.toFixed(4)} nats`);
  expect(secondHalfLoss).toBeLessThan(0.1);

  await using model = await LanguageModel.open(path, { mode: "reference" });
  expect(model.config).toEqual(INDUCTION_CONFIG);
  // A sequence that it has never seen, and its beginning again: it goes on as the first time.
  const once = [17, 3, 60, 41, 8, 22, 59, 35, 12, 50, 27, 1];
  const { tokens } = await model.complete([...once, 17, 3, 60], { maxTokens: 9 });
  expect(tokens.map(({ id }) => id)).toEqual(once.slice(3));
});
