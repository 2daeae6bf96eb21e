import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { LanguageModel } from "../../generate/language-model.ts";
import { embed } from "./embed.ts";

let phi: LanguageModel;
beforeAll(async () => {
  phi = await LanguageModel.open("models/phi-micro", { threads: 1 });
});
afterAll(() => phi[Symbol.asyncDispose]());

const texts = ["def add(a, b):\n    return a + b", "Once upon a time", "x", "def add(a, b):"];

describe("embeddings", () => {
  test("are the mean over positions of what the last layer makes of a text", async () => {
    const [found] = await embed(phi, [texts[0]!]);
    const run = await phi.run(texts[0]!, { capture: ["ln_final.hook_normalized"] });
    const { values, shape } = run.get("ln_final.hook_normalized");
    const [, positions = 0, width = 0] = shape;
    expect(found).toHaveLength(width);
    for (let d = 0; d < width; d++) {
      let sum = 0;
      for (let t = 0; t < positions; t++) sum += values[t * width + d]!;
      // f32 sums in another order.
      expect(Math.abs(found![d]! - sum / positions)).toBeLessThan(1e-5);
    }
  });

  test("only the beginning is read, as far as it was asked for", async () => {
    const long = "a b c d e f g h ".repeat(200);
    const [whole, cut] = await embed(phi, [long, long.slice(0, 400)], { maxTokens: 20 });
    expect(whole).toEqual(cut);
  });

  test("an empty text is refused by its number", async () => {
    await expect(embed(phi, ["a", ""])).rejects.toThrow(/text 2 is empty/);
  });
});
