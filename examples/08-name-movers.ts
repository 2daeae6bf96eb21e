/**
 * Which heads carry a behaviour? Found by patching on some prompts, put to the test by ablation on others, beside random
 * heads.
 *
 *     npx tsx examples/08-name-movers.ts
 */
import { open } from "philab";
import { ablateHeads, createTask, patchSweep } from "philab/interpret";

await using phi = await open("phi-micro", { mode: "reference" });

// Values of the corrupted prompt in the clean run: 1 where nothing is lost, 0 where all is.
const { pairs } = createTask(phi, "ioi-classic", { count: 4, seed: 1 });
const sweep = await patchSweep(phi, pairs, { site: "z", direction: "noise", control: false });
const { heads: perLayer } = phi.config;
const found = [...sweep.values]
  .map((kept, i) => ({ layer: Math.floor(i / perLayer), head: i % perLayer, lost: 1 - kept }))
  .filter(({ layer, lost }) => layer > 0 && lost > 0.05);
for (const { layer, head, lost } of found)
  console.log(`L${layer}H${head} carries ${(lost * 100).toFixed(0)} %`);

const judged = createTask(phi, "ioi-classic", { count: 12, seed: 2 });
console.log(`judged on other prompts (${judged.hash.slice(0, 12)}…)`);
const { before, removed, controls } = await ablateHeads(phi, judged.pairs, found);
const random = controls.map((control) => `${(control.removed * 100).toFixed(0)} %`);
console.log(
  `logit difference ${before.toFixed(2)}; without them ${(removed * 100).toFixed(0)} % less`,
);
console.log(`without as many random heads: ${random.join(", ")} less`);
