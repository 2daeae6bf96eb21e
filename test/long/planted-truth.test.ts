/** A mechanism that is known, found again: induction in a model of two layers of attention. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Random } from "../../src/base/random.ts";
import { LanguageModel } from "../../src/generate/language-model.ts";
import {
  ablateHeads,
  compositionScores,
  COMPOSITIONS,
  detectHeads,
  headCircuits,
  openWeights,
  patchSweep,
  type Detector,
  type HeadAt,
  type HeadScores,
} from "../../src/interpret/index.ts";
import { trainInductionModel } from "../support/induction-model.ts";

const folder = mkdtempSync(join(tmpdir(), "philab-planted-"));
afterAll(async () => {
  await model[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

let model: LanguageModel;
let heads: HeadScores[];
let previous: HeadScores;
let induction: HeadScores;

/** Random tokens, all different, and some of them again: the next one is certain. */
function repeated(seed: number, length = 24, seen = 10) {
  const drawn = Array.from(new Random(seed).permutation(64));
  const [first, other] = [drawn.slice(0, length), drawn.slice(length, 2 * length)];
  return {
    clean: [...first, ...first.slice(0, seen)],
    corrupted: [...other, ...first.slice(0, seen)],
    right: [first[seen] as number],
    wrong: [other[seen] as number],
  };
}

beforeAll(async () => {
  const { path } = await trainInductionModel(folder);
  model = await LanguageModel.open(path, { mode: "reference", threads: 1 });
  const twice = Array.from(new Random(1).permutation(64).subarray(0, 30));
  heads = await detectHeads(model, [...twice, ...twice]);
  previous = best("previous_token_head", 0);
  induction = best("induction_head", 1);
}, 600_000);

function best(detector: Detector, layer: number): HeadScores {
  const own = heads.filter((head) => head.layer === layer);
  return own.reduce((a, b) => (b.scores[detector] > a.scores[detector] ? b : a));
}

const at = ({ layer, head }: HeadScores): HeadAt => ({ layer, head });

describe("the induction model", () => {
  it("has a previous-token head in layer 0 and an induction head in layer 1, which the detectors find", () => {
    expect(previous.scores.previous_token_head).toBeGreaterThan(0.4);
    // Half of the queries stand in the first half, where there is nothing to find.
    expect(2 * induction.scores.induction_head).toBeGreaterThan(0.4);
  });

  it("loses the behaviour without either of them", async () => {
    const prompts = Array.from({ length: 16 }, (_, i) => repeated(100 + i));
    for (const head of [previous, induction]) {
      const result = await ablateHeads(model, prompts, [at(head)], {
        metric: "log_prob",
        controls: 1,
        method: "mean",
      });
      expect(result.before).toBeGreaterThan(-0.2);
      // 80 % of ln V, the loss of a guess
      expect(result.after).toBeLessThan(-0.8 * Math.log(64));
      expect(result.controls[0]?.after).toBeGreaterThan(-0.2);
    }
  });

  it("gets it back when they are patched", async () => {
    const pairs = Array.from({ length: 4 }, (_, i) => repeated(200 + i));
    const sweep = await patchSweep(model, pairs, { site: "z", control: false });
    const recovered = (head: HeadScores): number => sweep.values[head.layer * 2 + head.head] ?? NaN;
    expect(recovered(induction)).toBeGreaterThan(0.8);
  });

  it("has no composition larger than that of the pair, through keys", async () => {
    const circuits = await headCircuits(await openWeights(model, "folded"));
    const pair = previous.head * 4 + 2 + induction.head;
    const scores = compositionScores(circuits, "K");
    const all = COMPOSITIONS.flatMap((mode) => [...compositionScores(circuits, mode)]);
    expect(scores[pair]).toBeGreaterThan(1.5 * ([...all].sort((a, b) => b - a)[1] ?? NaN));
  });
});
