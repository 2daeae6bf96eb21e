/**
 * Steering: the difference between two sets of streams, added while the model writes, at several strengths.
 *
 *     npx tsx examples/09-steer.ts
 */
import { open } from "philab";
import { createTask, doseResponse, steer, steeringVector } from "philab/interpret";

await using phi = await open("phi-micro", { mode: "reference" });
const prompt = "When Mary and John went to the store, John gave a book to";
const positive = ["When Mary and John went to the park, John gave a pen to"];
const negative = ["When Mary and John went to the park, Mary gave a pen to"];
const vector = await steeringVector(phi, { positive, negative }, { layer: 3 });
console.log(`${vector.norm.toFixed(1)} long, in streams of ${vector.streamNorm.toFixed(1)}`);

for (const strength of [-2, 0, 2]) {
  const { text } = await phi.complete(prompt, { maxTokens: 8, edits: [steer(vector, strength)] });
  console.log(`${String(strength).padStart(3)}: ${text.trim()}`);
}

// The dose and the response, on prompts of other names, beside random directions of equal length.
const { pairs } = createTask(phi, "ioi-classic", { count: 4, seed: 3 });
const { steered, control } = await doseResponse(phi, vector, pairs, {
  strengths: [-2, -1, 0, 1, 2],
});
steered.forEach(({ strength, metric, divergence }, i) =>
  console.log(
    `${String(strength).padStart(3)}: logit difference ${metric.toFixed(2)} (random ${control[i]?.metric.toFixed(2)}), KL ${divergence.toFixed(2)}`,
  ),
);
