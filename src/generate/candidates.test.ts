import fc from "fast-check";
import { describe, expect, test } from "vitest";

import { logits, softmax } from "../../test/support/logits.ts";
import { Random } from "../base/random.ts";
import { Sampler } from "./sampler.ts";

/** Hugging Face's warpers, one after the other as they are written there, on doubles and with full sorts. */
class Reference {
  scores: number[];
  /** How near the sum came to a share that was asked for: rounding may decide otherwise there. */
  closest = Infinity;

  constructor(logits: ArrayLike<number>, temperature: number) {
    this.scores = Array.from(logits, (logit) => logit / temperature);
  }

  topK(k: number): void {
    this.#keep(this.#sorted((a, b) => this.scores[b]! - this.scores[a]!).slice(0, k));
  }

  topP(share: number): void {
    this.#upTo(
      share,
      this.#sorted((a, b) => this.scores[b]! - this.scores[a]!),
    );
  }

  typical(share: number): void {
    const probabilities = softmax(this.scores);
    const surprise = probabilities.map((p) => -Math.log(p));
    const entropy = probabilities.reduce((sum, p, i) => (p > 0 ? sum + p * surprise[i]! : sum), 0);
    const distance = surprise.map((s) => Math.abs(s - entropy));
    const order = this.#sorted((a, b) => distance[a]! - distance[b]!);
    for (let i = 1; i < order.length; i++) {
      // Tokens at the same distance on both sides of the entropy: rounding decides which comes first.
      const gap = Math.abs(distance[order[i]!]! - distance[order[i - 1]!]!);
      if (gap < 1e-9 && this.scores[order[i]!] !== this.scores[order[i - 1]!]) this.closest = 0;
    }
    this.#upTo(share, order);
  }

  minP(share: number): void {
    const probabilities = softmax(this.scores);
    const least = share * Math.max(...probabilities);
    for (const p of probabilities) if (p > 0) this.#note(p / least - 1);
    this.scores = this.scores.map((score, i) => (probabilities[i]! < least ? -Infinity : score));
  }

  get distribution(): { ids: number[]; probabilities: number[] } {
    const probabilities = softmax(this.scores);
    const ids = [...this.scores.keys()].filter((id) => this.scores[id]! > -Infinity);
    return { ids, probabilities: ids.map((id) => probabilities[id]!) };
  }

  #sorted(compare: (a: number, b: number) => number): number[] {
    const left = [...this.scores.keys()].filter((id) => this.scores[id]! > -Infinity);
    return left.sort((a, b) => compare(a, b) || a - b);
  }

  #upTo(share: number, order: readonly number[]): void {
    const probabilities = softmax(this.scores);
    let sum = 0;
    let count = 0;
    do {
      sum += probabilities[order[count++]!]!;
      this.#note(sum - share);
    } while (sum < share && count < order.length);
    this.#keep(order.slice(0, count));
  }

  #note(distance: number): void {
    this.closest = Math.min(this.closest, Math.abs(distance));
  }

  #keep(ids: readonly number[]): void {
    const kept = new Set(ids);
    this.scores = this.scores.map((score, id) => (kept.has(id) ? score : -Infinity));
  }
}

const share = fc.double({ min: 0, max: 1, noNaN: true });

describe("the distribution that is drawn from", () => {
  const settings = fc.record(
    {
      temperature: fc.double({ min: 0.05, max: 5, noNaN: true }),
      topK: fc.nat(20),
      typicalP: share,
      topP: share,
      minP: share,
    },
    { requiredKeys: ["temperature"] },
  );

  test("is that of temperature, top-k, typical, top-p and min-p done one by one with sorting", () => {
    let compared = 0;
    fc.assert(
      fc.property(logits, settings, (values, options) => {
        const reference = new Reference(values, options.temperature);
        if ((options.topK ?? 0) > 0) reference.topK(options.topK!);
        if ((options.typicalP ?? 1) < 1) reference.typical(options.typicalP!);
        if ((options.topP ?? 1) < 1) reference.topP(options.topP!);
        if ((options.minP ?? 0) > 0) reference.minP(options.minP!);
        fc.pre(reference.closest > 1e-9);
        compared++;

        const found = new Sampler(options).distribution(values);
        const likely = (d: { ids: number[]; probabilities: number[] }): Map<number, number> =>
          new Map(d.ids.map((id, i) => [id, d.probabilities[i]!]));
        const [ours, theirs] = [likely(found), likely(reference.distribution)];
        expect([...ours.keys()]).toEqual([...theirs.keys()]);
        for (const [id, p] of theirs) expect(Math.abs(ours.get(id)! - p)).toBeLessThan(1e-9);
      }),
      { numRuns: 3000 },
    );
    expect(compared).toBeGreaterThan(1000);
  });

  test("adds up to 1 and has at least one token, whatever the options", () => {
    fc.assert(
      fc.property(logits, settings, (values, options) => {
        const { ids, probabilities } = new Sampler(options).distribution(values);
        expect(ids.length).toBeGreaterThan(0);
        expect(probabilities.reduce((sum, p) => sum + p, 0)).toBeCloseTo(1, 10);
      }),
      { numRuns: 1000 },
    );
  });

  test("of a large vocabulary is right too, peaked or flat", () => {
    const random = new Random(1);
    for (const spread of [0.01, 1, 6]) {
      const values = Float32Array.from({ length: 5000 }, () => spread * random.normal());
      for (const share of [0.1, 0.5, 0.9, 0.999]) {
        const nucleus = new Reference(values, 1);
        nucleus.topP(share);
        expect(new Sampler({ topP: share }).distribution(values).ids).toEqual(
          nucleus.distribution.ids,
        );
        const typical = new Reference(values, 1);
        typical.typical(share);
        expect(new Sampler({ typicalP: share }).distribution(values).ids).toEqual(
          typical.distribution.ids,
        );
      }
      const best = new Reference(values, 1);
      best.topK(300);
      expect(new Sampler({ topK: 300 }).distribution(values).ids).toEqual(best.distribution.ids);
    }
  });

  test("keeps of equally likely tokens those with the lowest ids", () => {
    const even = new Float32Array(10);
    expect(new Sampler({ topK: 3 }).distribution(even).ids).toEqual([0, 1, 2]);
    expect(new Sampler({ topP: 0.45 }).distribution(even).ids).toEqual([0, 1, 2, 3, 4]);
    expect(new Sampler({ topP: 0 }).distribution(even).ids).toEqual([0]);
  });

  test("is one token at temperature 0", () => {
    expect(new Sampler({}).distribution(Float32Array.of(1, 3, 2))).toEqual({
      ids: [1],
      probabilities: [1],
    });
  });
});
