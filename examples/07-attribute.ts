/**
 * Direct logit attribution: the logit difference of two names as a sum over the heads and MLPs that wrote it.
 *
 *     npx tsx examples/07-attribute.ts
 */
import { open } from "philab";
import { logitAttribution } from "philab/interpret";

await using phi = await open("phi-micro", { mode: "reference" });
const prompt = "When Mary and John went to the store, John gave a book to";

const found = await logitAttribution(phi, prompt, {
  answer: " Mary",
  against: " John",
  unit: "head",
});
// Beside each part: what it has along a random direction of the same length. A part that does not stand out says little.
for (const { label, value, control } of found.parts
  .toSorted((a, b) => Math.abs(b.value) - Math.abs(a.value))
  .slice(0, 8))
  console.log(`${label.padEnd(12)} ${value.toFixed(3).padStart(7)}  random ${control.toFixed(3)}`);
console.log(
  `${found.parts.length} parts and ${found.constant.toFixed(3)} sum to ${found.logit.toFixed(3)}, but for ${Math.abs(found.error).toExponential(0)}`,
);
