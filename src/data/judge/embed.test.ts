import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { LanguageModel } from "../../generate/language-model.ts";
import { localAnnotator } from "./annotators.ts";
import { embed } from "./embed.ts";

let phi: LanguageModel;
beforeAll(async () => {
  phi = await LanguageModel.open("models/phi-micro", { threads: 1 });
});
afterAll(() => phi[Symbol.asyncDispose]());

const texts = ["def add(a, b):\n    return a + b", "Once upon a time", "x", "def add(a, b):"];

describe("embeddings", () => {
  test("are mean and deviation over positions of what the last layer makes of a text", async () => {
    const [found] = await embed(phi, [texts[0]!], { deviations: true });
    const [means] = await embed(phi, [texts[0]!]);
    const run = await phi.run(texts[0]!, { capture: ["ln_final.hook_normalized"] });
    const { values, shape } = run.get("ln_final.hook_normalized");
    const [, positions = 0, width = 0] = shape;
    expect(found).toHaveLength(2 * width);
    expect(means).toEqual(found!.slice(0, width));
    for (let d = 0; d < width; d++) {
      const column = Array.from({ length: positions }, (_, t) => values[t * width + d]!);
      const mean = column.reduce((sum, x) => sum + x, 0) / positions;
      const square = column.reduce((sum, x) => sum + (x - mean) ** 2, 0) / positions;
      // Kept as f32.
      expect(Math.abs(found![d]! - mean)).toBeLessThan(1e-6);
      expect(Math.abs(found![width + d]! - Math.sqrt(square))).toBeLessThan(1e-6);
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

test("a model of this machine is asked about as much of a text as its context holds", async () => {
  const prompts: string[] = [];
  const watched = new Proxy(phi, {
    get(target, key) {
      if (key === "complete")
        return (prompt: string, options: object) => {
          prompts.push(prompt);
          return target.complete(prompt, options);
        };
      const value: unknown = Reflect.get(target, key, target);
      return typeof value === "function" ? (value.bind(target) as unknown) : value;
    },
  });
  const text = "The list has many words. ".repeat(400);
  const answer = await localAnnotator(watched, "phi").ask({ id: "long", text }, 1);
  expect(typeof answer).toBe("string");
  expect(prompts[0]).toContain("[cut here]");
  const tokens = phi.promptIds(prompts[0]!).length;
  expect(tokens).toBeLessThanOrEqual(phi.contextLength - 12);
  expect(tokens).toBeGreaterThan(0.7 * phi.contextLength);
});
