/**
 * The logit lens: what would the model say if it stopped after each layer? A tuned lens corrects for how streams turn.
 *
 *     npx tsx examples/06-lens.ts
 */
import { open } from "philab";
import { createTask, fitTunedLens, logitLens } from "philab/interpret";

await using phi = await open("phi-micro", { mode: "reference" });
const prompt = "When Mary and John went to the store, John gave a book to";
const options = { answer: " Mary", positions: [-1], top: 1 };

// An affine map for each layer, fitted to other sentences until the head says what it says of the last layer.
const { pairs } = createTask(phi, "ioi-classic", { count: 16, seed: 1 });
const texts = pairs.map(({ clean }) => clean);
const tuned = await fitTunedLens(phi, texts, { steps: 40 });

const plain = await logitLens(phi, prompt, options);
const corrected = await logitLens(phi, prompt, { ...options, translators: tuned.translators });
plain.layers.forEach((layer, l) => {
  const cells = [plain.cells[l]?.[0], corrected.cells[l]?.[0]];
  const say = cells.map((cell) =>
    cell === undefined
      ? ""
      : `${JSON.stringify(cell.top[0]?.text)} (Mary ${((cell.probability ?? 0) * 100).toFixed(0)} %)`,
  );
  console.log(`${layer.padStart(5)}  ${(say[0] ?? "").padEnd(24)} tuned: ${say[1]}`);
});
