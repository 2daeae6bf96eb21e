import fc from "fast-check";
import { describe, expect, test } from "vitest";

import { freshSeed, philox4x32, Random } from "./random.ts";

const seeds = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER });

/** Pearson's statistic of counts against expected shares. */
function chiSquare(counts: readonly number[], shares: readonly number[]): number {
  const total = counts.reduce((sum, count) => sum + count, 0);
  return counts.reduce((sum, count, i) => {
    const expected = total * shares[i]!;
    return sum + (count - expected) ** 2 / expected;
  }, 0);
}

describe("Philox4x32-10", () => {
  const ones = 0xffffffff;
  // kat_vectors of Random123, the authors' library
  test.each([
    [
      [0, 0, 0, 0],
      [0, 0],
      [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8],
    ],
    [
      [ones, ones, ones, ones],
      [ones, ones],
      [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd],
    ],
    [
      [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344],
      [0xa4093822, 0x299f31d0],
      [0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1],
    ],
  ] as const)("gives the published words for counter %j and key %j", (counter, key, expected) => {
    expect(philox4x32(counter, key)).toEqual(expected);
  });
});

describe("a generator", () => {
  test("gives the words of blocks 0, 1, … of its seed, one after the other", () => {
    const random = new Random(0x1_0000_0002);
    const words = Array.from({ length: 8 }, () => random.uint32());
    expect(words).toEqual([
      ...philox4x32([0, 0, 0, 0], [2, 1]),
      ...philox4x32([1, 0, 0, 0], [2, 1]),
    ]);
  });

  test("repeats itself with the same seed and differs with another", () => {
    fc.assert(
      fc.property(seeds, (seed) => {
        const draw = (random: Random): number[] =>
          Array.from({ length: 6 }, () => random.uniform());
        expect(draw(new Random(seed))).toEqual(draw(new Random(seed)));
        const other = seed === 0 ? 1 : seed - 1;
        expect(draw(new Random(seed))).not.toEqual(draw(new Random(other)));
      }),
    );
  });

  test.each([-1, 1.5, Number.NaN, 2 ** 53])("refuses %d as a seed", (seed) => {
    expect(() => new Random(seed)).toThrow(expect.objectContaining({ code: "bad_input" }) as Error);
  });

  test("gives fresh seeds that can be seeds", () => {
    const drawn = Array.from({ length: 20 }, freshSeed);
    for (const seed of drawn) expect(() => new Random(seed)).not.toThrow();
    expect(new Set(drawn).size).toBeGreaterThan(15);
  });
});

describe("split streams", () => {
  test("do not depend on what any other stream has drawn", () => {
    const fresh = new Random(7).split(3).split(1);
    const parent = new Random(7);
    for (let i = 0; i < 11; i++) parent.uniform();
    const child = parent.split(3);
    child.normal();
    expect(child.split(1).uniform()).toBe(fresh.uniform());
  });

  test("differ from each other, from their parent and with the order of splitting", () => {
    const parent = new Random(7);
    const streams = [parent, ...[0, 1, 2, 2 ** 40].map((i) => parent.split(i))];
    streams.push(parent.split(1).split(2), parent.split(2).split(1), new Random(8).split(1));
    const first = streams.map((random) => random.uint32());
    expect(new Set(first).size).toBe(first.length);
  });
});

describe("distributions", () => {
  test("uniform numbers fill [0, 1) evenly", () => {
    const random = new Random(1);
    const bins = new Array<number>(20).fill(0);
    for (let i = 0; i < 40_000; i++) {
      const x = random.uniform();
      expect(x >= 0 && x < 1).toBe(true);
      bins[Math.floor(x * 20)]!++;
    }
    expect(
      chiSquare(
        bins,
        bins.map(() => 1 / 20),
      ),
    ).toBeLessThan(43.8); // 99.9 % of χ² with 19 degrees
  });

  test("normal numbers have the moments and tails of the normal distribution", () => {
    const random = new Random(2);
    const n = 100_000;
    const drawn = Array.from({ length: n }, () => random.normal({ mean: 3, standardDeviation: 2 }));
    const z = drawn.map((x) => (x - 3) / 2);
    const moment = (power: number): number => z.reduce((sum, x) => sum + x ** power, 0) / n;
    expect(Math.abs(moment(1))).toBeLessThan(0.015);
    expect(Math.abs(moment(2) - 1)).toBeLessThan(0.02);
    expect(Math.abs(moment(3))).toBeLessThan(0.04);
    expect(Math.abs(moment(4) - 3)).toBeLessThan(0.1);
    expect(z.filter((x) => Math.abs(x) > 1.959964).length / n).toBeCloseTo(0.05, 2);
  });

  test("integers stay below their bound and are even, for bounds that do not divide 2^32", () => {
    const random = new Random(3);
    const counts = new Array<number>(7).fill(0);
    for (let i = 0; i < 70_000; i++) counts[random.integer(7)]!++;
    expect(
      chiSquare(
        counts,
        counts.map(() => 1 / 7),
      ),
    ).toBeLessThan(22.5); // 99.9 %, 6 degrees
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 2 ** 32 }), seeds, (below, seed) => {
        const drawn = new Random(seed).integer(below);
        expect(Number.isInteger(drawn) && drawn >= 0 && drawn < below).toBe(true);
      }),
    );
    // With below = 3·2^30 and no rejection, a third of the numbers would come up twice as often.
    const thirds = [0, 0, 0];
    for (let i = 0; i < 30_000; i++) thirds[Math.floor(random.integer(3 * 2 ** 30) / 2 ** 30)]!++;
    expect(chiSquare(thirds, [1 / 3, 1 / 3, 1 / 3])).toBeLessThan(13.8); // 99.9 %, 2 degrees
  });

  test.each([0, -1, 2.5, 2 ** 32 + 1])("refuses %d as a bound", (below) => {
    expect(() => new Random(0).integer(below)).toThrow(/the bound must be 1 to 2\^32/);
  });

  test("permutations hold every integer once, and every order is as likely", () => {
    fc.assert(
      fc.property(fc.nat(200), seeds, (length, seed) => {
        const order = new Random(seed).permutation(length);
        expect([...order].sort((a, b) => a - b)).toEqual(Array.from({ length }, (_, i) => i));
      }),
    );
    const random = new Random(4);
    const counts = new Map<string, number>();
    for (let i = 0; i < 24_000; i++) {
      const key = random.permutation(4).join("");
      counts.set(key, (counts.get(key) ?? 0) + 1);
    }
    expect(counts.size).toBe(24);
    expect(chiSquare([...counts.values()], new Array<number>(24).fill(1 / 24))).toBeLessThan(49.7); // 99.9 %, 23
  });

  test("weighted indices come up in proportion to their weights; those of weight 0 never", () => {
    const random = new Random(5);
    const weights = [0, 1, 2, 0, 5, 2, 0];
    const counts = weights.map(() => 0);
    for (let i = 0; i < 50_000; i++) counts[random.weightedIndex(weights)]!++;
    const possible = [1, 2, 4, 5];
    expect(counts.filter((_, i) => !possible.includes(i))).toEqual([0, 0, 0]);
    expect(
      chiSquare(
        possible.map((i) => counts[i]!),
        [0.1, 0.2, 0.5, 0.2],
      ),
    ).toBeLessThan(16.3); // 99.9 %, 3
  });

  test.each([[[]], [[0, 0]], [[1, -1]], [[Number.NaN]], [[Infinity, 1]]])(
    "refuses the weights %j",
    (weights) => {
      expect(() => new Random(0).weightedIndex(weights)).toThrow(
        expect.objectContaining({ code: "bad_input" }) as Error,
      );
    },
  );
});
