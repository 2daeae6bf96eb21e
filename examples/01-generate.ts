/**
 * Continue a text, token by token, with probabilities.
 *
 *     npx tsx examples/01-generate.ts
 */
import { open, qaPrompt } from "philab";

// The bundled model. Others: open("./models/phi-2"), open("phi-2.q4_k_m.gguf"), open("phi-2:q4_k_m").
await using phi = await open();

// Tokens arrive as they are made. `text` is made of whole characters; `logprob` is the model's own.
const prompt = "def add_numbers(a, b):";
process.stdout.write(prompt);
for await (const token of phi.generate(prompt, { maxTokens: 48, stop: ["\n\n\n"] }))
  process.stdout.write(token.text);

// All at once, sampled: the same seed gives the same text.
const story = await phi.complete("When Mary and John went to the store,", {
  maxTokens: 24,
  temperature: 0.8,
  topP: 0.95,
  seed: 1,
});
console.log(`\n\n${story.text.trim()}  (${story.finishReason})`);

// A question in the format of the model's card, with the three likeliest first tokens of the answer.
const question = qaPrompt("What is 3 + 4?");
const answer = await phi.complete(question.prompt, { stop: [...question.stop], logprobs: 3 });
console.log(`\n3 + 4 =${answer.text}`);
for (const { id, logprob } of answer.tokens[0]?.top ?? [])
  console.log(`  ${phi.tokenizer.decode([id])}  ${(100 * Math.exp(logprob)).toFixed(1)} %`);
