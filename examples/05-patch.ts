/**
 * Activation patching: where in the model lies what makes the difference between two prompts? Every layer and position of
 * the residual stream, in one sweep that computes only what can change.
 *
 *     npx tsx examples/05-patch.ts
 */
import { open, sweep, type Edit } from "philab";

await using phi = await open("phi-micro", { mode: "reference" });
const clean = "When Mary and John went to the store, John gave a book to";
const corrupted = "When Mary and John went to the store, Mary gave a book to";
const [right = 0, wrong = 0] = [" Mary", " John"].map((name) => phi.tokenizer.encode(name)[0] ?? 0);
const metric = { kind: "logitDifference", right, wrong } as const;

const source = await phi.run(clean, { capture: ["resid_pre*"], metric });
const words = (source.ids[0] ?? []).map((id) => phi.tokenizer.decode([id]));
const variants = Array.from({ length: phi.config.layers }, (_, layer) => {
  const at = `blocks.${layer}.hook_resid_pre` as const;
  return words.map((_, p): Edit[] => [
    { op: "replace", at, positions: [p], value: source.get(at) },
  ]);
}).flat();

const { text, values, cost } = await sweep(phi, corrupted, { variants, metric });
// 0: nothing is gained over the corrupted prompt; 1: the patch brings back all of the clean one.
const restored = [...values].map((value) => (value - text) / ((source.metric[0] ?? 0) - text));

words.forEach((word, p) => {
  const row = Array.from(
    { length: phi.config.layers },
    (_, l) => restored[l * words.length + p] ?? 0,
  );
  console.log(
    `${JSON.stringify(word).padEnd(10)} ${row.map((x) => x.toFixed(2).padStart(6)).join("")}`,
  );
});
console.log(
  `${variants.length} patches for ${((100 * cost.computed) / cost.whole).toFixed(0)} % of their rows.`,
);
