/**
 * Indirect object identification in the bundled model: the heads that patching finds on some prompts carry the behaviour on
 * others, and random heads do not.
 */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { LanguageModel } from "../../src/generate/language-model.ts";
import {
  ablateHeads,
  ABLATIONS,
  createTask,
  patchSweep,
  type HeadAt,
} from "../../src/interpret/index.ts";
import { open } from "../../src/open.ts";

/** Share of the answer that a head must carry by itself to be found. */
const FOUND = 0.05;

let phi: LanguageModel;
let found: { head: HeadAt; lost: number }[];

beforeAll(async () => {
  phi = await open("phi-micro", { mode: "reference", threads: 1 });
  const { pairs } = createTask(phi, "ioi-classic", { count: 8, seed: 1 });
  const sweep = await patchSweep(phi, pairs, { site: "z", direction: "noise", control: false });
  found = [...sweep.values]
    .map((kept, i) => ({
      head: { layer: Math.floor(i / phi.config.heads), head: i % phi.config.heads },
      lost: 1 - kept,
    }))
    .filter(({ lost }) => lost > FOUND)
    .sort((a, b) => b.lost - a.lost);
});
afterAll(async () => {
  await phi[Symbol.asyncDispose]();
});

/** Other prompts than those on which the heads were found. */
const judged = () => createTask(phi, "ioi-classic", { count: 24, seed: 2 }).pairs;

/** They read what the first layer wrote, so that those of the first layer are none. */
const movers = (): HeadAt[] => found.map(({ head }) => head).filter(({ layer }) => layer > 0);

describe("name movers of phi-micro", () => {
  test("are few of the 25 heads, and one of the first layer feeds them", () => {
    expect(movers()).toContainEqual({ layer: 2, head: 1 });
    expect(movers().length).toBeLessThan(6);
    expect(found.length - movers().length).toBe(1);
  });

  test.each(ABLATIONS)(
    "carry at least 80 % of the logit difference on prompts they were not found on, by %s ablation; random heads do not",
    async (method) => {
      const options = { method, controls: 10, seed: 3 };
      const { before, removed, controls } = await ablateHeads(phi, judged(), movers(), options);
      expect(before).toBeGreaterThan(4);
      expect(removed).toBeGreaterThan(0.8);
      for (const control of controls) expect(control.removed).toBeLessThan(0.3);
    },
  );
});
