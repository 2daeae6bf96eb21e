/**
 * Attribution patching: what patching each head would do, from gradients alone; and how far that can be trusted.
 *
 *     npx tsx examples/10-estimate.ts
 */
import { open } from "philab";
import { attributionPatch, createTask } from "philab/interpret";

await using phi = await open("phi-micro", { mode: "reference" });
const [pair] = createTask(phi, "ioi-classic", { count: 1, seed: 0 }).pairs;
if (pair === undefined) throw new Error("no pair");

for (const method of ["gradient", "ig"] as const) {
  const found = await attributionPatch(phi, pair, { site: "z", method, steps: 16, verify: 6 });
  console.log(`${method}: rank correlation with patching ${found.rankCorrelation.toFixed(2)}`);
  for (const { index, estimate, exact } of found.verified.slice(0, 6)) {
    const head = `L${Math.floor(index / phi.config.heads)}H${index % phi.config.heads}`;
    console.log(`  ${head}  estimated ${estimate.toFixed(2)}, patched ${exact.toFixed(2)}`);
  }
}
