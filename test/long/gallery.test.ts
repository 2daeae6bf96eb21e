/** The gallery's claim about attribution graphs, on half of the prompts that it was measured on. */
import path from "node:path";
import { expect, it } from "vitest";
import { PACKAGE_ROOT } from "../../src/base/package.ts";
import { attributionGraph } from "../../src/features/attribution/attribute.ts";
import { checkTogether } from "../../src/features/attribution/interventions.ts";
import { readDictionary, type Dictionary } from "../../src/features/index.ts";
import { createTask } from "../../src/interpret/index.ts";
import { open } from "../../src/open.ts";

it.each(["induction", "ioi-classic", "docstring"])(
  "%s: without a graph's 64 top features the answer changes as the graph says in at least 80 % of prompts, without 64 others in at most 20 %",
  async (task) => {
    await using phi = await open("phi-nano", { mode: "reference" });
    const transcoders = new Map<number, Dictionary>();
    for (let layer = 0; layer < phi.config.layers; layer++) {
      const name = `models/phi-nano/dictionaries/transcoder-${layer}`;
      transcoders.set(layer, await readDictionary(path.join(PACKAGE_ROOT, name)));
    }
    const found: boolean[][] = [];
    for (const { clean, right } of createTask(phi, task, { count: 30, seed: 202 }).pairs) {
      const graph = await attributionGraph(phi, clean, transcoders, { maxLogits: 1 });
      const { answer, top, random, nearby } = await checkTogether(phi, graph, transcoders);
      if (answer !== right[0]) continue;
      found.push([top, random, nearby].map(({ asPredicted }) => asPredicted));
      if (found.length === 12) break;
    }
    expect(found).toHaveLength(12);
    const share = (i: number): number => found.filter((own) => own[i]).length / found.length;
    console.log(
      `${task}: as predicted ${share(0)}, at random ${share(1)}, at the same places ${share(2)}`,
    );
    expect(share(0)).toBeGreaterThanOrEqual(0.8);
    expect(share(1)).toBeLessThanOrEqual(0.2);
    // A harder control: what else says something about the same words. Induction has need of some of it, too.
    expect(share(2)).toBeLessThanOrEqual(0.4);
  },
);
