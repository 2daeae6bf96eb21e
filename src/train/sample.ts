/** Texts that the model writes while it is trained: by the code that generates, from the very weights under training. */
import { decode } from "../generate/generate.ts";
import { Sequence } from "../generate/sequence.ts";
import type { Tokenizer } from "../tokenizer/index.ts";
import type { Trainee } from "./objective.ts";

export interface SampleOptions {
  tokenizer: Tokenizer;
  prompts: readonly string[];
  maxTokens: number;
  signal?: AbortSignal;
}

/** The likeliest continuation of each prompt. */
export async function sampleTexts(
  trainee: Trainee,
  { tokenizer, prompts, maxTokens, signal }: SampleOptions,
): Promise<{ prompt: string; text: string }[]> {
  using runner = trainee.runner();
  const samples: { prompt: string; text: string }[] = [];
  for (const prompt of prompts) {
    const ids = tokenizer.promptIds(prompt);
    const capacity = Math.min(trainee.config.contextLength, ids.length + maxTokens);
    using sequence = new Sequence(runner, { capacity, type: "f32" });
    const options = { maxTokens, temperature: 0, ...(signal === undefined ? {} : { signal }) };
    let text = "";
    for await (const token of decode(runner, tokenizer, [{ sequence, prompt: ids }], options))
      text += token.text;
    samples.push({ prompt, text });
  }
  return samples;
}
