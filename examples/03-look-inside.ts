/**
 * Reading the inside of a model: what a head attends to, how the residual stream grows, what the last layer thinks.
 *
 *     npx tsx examples/03-look-inside.ts
 */
import { open } from "philab";

await using phi = await open("phi-micro", { mode: "reference" });
const prompt = "When Mary and John went to the store, John gave a book to";

// Only what is listed is kept. `*` is every layer; selections and lengths are made where the values are.
const capture = [
  { at: "pattern-1", positions: [-1] },
  { at: "blocks.*.hook_resid_post", reduce: "norm" },
  { at: "hook_logits", positions: [-1], reduce: { topK: 3 } },
] as const;
console.log(`This run keeps ${phi.plan(prompt, { capture }).sizeBytes} bytes.`);
const run = await phi.run(prompt, { capture });

const words = (run.ids[0] ?? []).map((id) => phi.tokenizer.decode([id]));
const { values, shape } = run.get("pattern-1"); // [prompt, head, query, key]
const [, heads = 0, , keys = 0] = shape;
for (let head = 0; head < heads; head++) {
  const shares = values.subarray(head * keys, (head + 1) * keys);
  const best = shares.indexOf(Math.max(...shares));
  console.log(
    `Head ${head} of the last layer looks at "${words[best]}" (${(100 * (shares[best] ?? 0)).toFixed(0)} %)`,
  );
}

for (let layer = 0; layer < phi.config.layers; layer++) {
  const lengths = run.get(`blocks.${layer}.hook_resid_post.norm`).values;
  console.log(
    `After layer ${layer} the stream of the last token is ${lengths.at(-1)?.toFixed(1)} long.`,
  );
}
const top = run.get("hook_logits.topK");
console.log(
  `Next: ${[...(top.ids ?? [])].map((id) => JSON.stringify(phi.tokenizer.decode([id]))).join(", ")}`,
);
