import { expect, it } from "vitest";
import { Backend } from "../engine/backend.ts";
import { LanguageModel } from "../generate/language-model.ts";
import { loadTokenizer } from "../tokenizer/index.ts";
import { sampleTexts } from "./sample.ts";
import { TrainableModel } from "./trainable-model.ts";

it("lets the very weights under training write, as the model that is opened from them would", async () => {
  using backend = new Backend({ threads: 1 });
  using trainee = await TrainableModel.load("models/phi-micro", backend);
  const tokenizer = await loadTokenizer("models/phi-micro");
  const prompt = "def add_numbers(a, b):";
  const options = { tokenizer, prompts: [prompt], maxTokens: 20 };
  const [before] = await sampleTexts(trainee, options);
  await using model = await LanguageModel.open("models/phi-micro", { mode: "reference" });
  const { text } = await model.complete(prompt, { maxTokens: 20, temperature: 0 });
  expect(before).toEqual({ prompt, text });

  // A step that makes one token likelier than all others is seen at once.
  const bias = trainee.parameters.get("lm_head.bias");
  const [id = 0] = tokenizer.encode("x");
  bias?.write(Float32Array.from({ length: bias.size }, (_, i) => (i === id ? 1e3 : 0)));
  const [after] = await sampleTexts(trainee, options);
  expect(after?.text).toBe("x".repeat(20));
});
