/**
 * Changing the inside of a model: edits are data, and mean the same in a forward pass and while a text is generated.
 *
 *     npx tsx examples/04-change-inside.ts
 */
import { editsToJson, open, type Edit } from "philab";

await using phi = await open("phi-micro", { mode: "reference" });
const prompt = "When Mary and John went to the store, John gave a book to";
const [right, wrong] = [" Mary", " John"].map((name) => phi.tokenizer.encode(name)[0] ?? 0);
const metric = { kind: "logitDifference", right: right ?? 0, wrong: wrong ?? 0 } as const;

// Which head matters most for choosing Mary over John? Switch each off in turn.
const [plain = 0] = (await phi.run(prompt, { metric })).metric;
const effects: { edit: Edit; effect: number }[] = [];
for (let layer = 0; layer < phi.config.layers; layer++)
  for (let head = 0; head < phi.config.heads; head++) {
    const edit: Edit = { op: "zero", at: `z${layer}`, heads: [head] };
    const [without = 0] = (await phi.run(prompt, { metric, edits: [edit] })).metric;
    effects.push({ edit, effect: plain - without });
  }
effects.sort((a, b) => b.effect - a.effect);
const [strongest] = effects;
console.log(`Mary is ${plain.toFixed(2)} ahead of John.`);
console.log(
  `${strongest?.edit.at}, head ${strongest?.edit.heads?.[0]}, is worth ${strongest?.effect.toFixed(2)} of it.`,
);

// The same edits while text is generated; as JSON they can be saved, shared and replayed.
const edits = effects.slice(0, 3).map(({ edit }) => edit);
console.log(editsToJson(edits));
for (const options of [{}, { edits }]) {
  const { text } = await phi.complete(prompt, { ...options, maxTokens: 12, temperature: 0 });
  console.log(`${"edits" in options ? "edited: " : "as it is: "}${JSON.stringify(text)}`);
}
