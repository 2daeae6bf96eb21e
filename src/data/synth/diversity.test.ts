import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { embeddingSpread, textDiversity } from "./diversity.ts";

describe("diversity of texts", () => {
  test("counts different n-grams among all", () => {
    const { distinct, words, documents } = textDiversity(["a b a b", "b c"]);
    expect({ words, documents }).toEqual({ words: 6, documents: 2 });
    expect(distinct).toEqual([3 / 6, 3 / 4, 2 / 2, 1 / 1]);
  });

  test("planted copies are counted as duplicates, and their 13-grams as repeated", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 20 }),
        fc.integer({ min: 0, max: 20 }),
        (own, copies) => {
          const text = (i: number): string =>
            Array.from({ length: 15 }, (_, w) => `w${i}x${w}`).join(" ");
          const texts = Array.from({ length: own }, (_, i) => text(i));
          const all = [...texts, ...Array.from({ length: copies }, (_, i) => texts[i % own]!)];
          const { duplicates, repeated } = textDiversity(all);
          expect(duplicates).toBe(copies / all.length);
          expect(repeated).toBeCloseTo(copies / all.length, 12);
        },
      ),
      { numRuns: 25 },
    );
  });

  test("repetition compresses better", () => {
    const same = textDiversity(Array<string>(50).fill("the same words again and again"));
    const other = textDiversity(
      Array.from({ length: 50 }, (_, i) => `${i * 7919} other ${i * i} words`),
    );
    expect(same.compression).toBeGreaterThan(other.compression);
  });

  test("no texts have no diversity", () => {
    expect(() => textDiversity([])).toThrow("no texts");
  });
});

describe("spread of embeddings", () => {
  test("is 0 for one direction, 1 for right angles, 2 for opposites", () => {
    expect(
      embeddingSpread([
        [1, 2],
        [2, 4],
      ]).distance,
    ).toBeCloseTo(0, 12);
    expect(
      embeddingSpread([
        [1, 0],
        [0, 3],
      ]),
    ).toEqual({ distance: 1, nearest: 1 });
    expect(
      embeddingSpread([
        [1, 0],
        [-2, 0],
      ]).distance,
    ).toBe(2);
  });

  test("the nearest is what makes pairs of twins look alike", () => {
    const { distance, nearest } = embeddingSpread([
      [1, 0],
      [1, 0],
      [0, 1],
      [0, 1],
    ]);
    expect(nearest).toBe(0);
    expect(distance).toBeCloseTo(2 / 3, 12);
  });

  test("needs two vectors that have a direction", () => {
    expect(() => embeddingSpread([[1, 0]])).toThrow("no distance");
    expect(() =>
      embeddingSpread([
        [1, 0],
        [0, 0],
      ]),
    ).toThrow("length 0");
  });
});
