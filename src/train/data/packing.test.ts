import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { packBestFit, packInOrder, type Groups } from "./packing.ts";

const capacities = fc.integer({ min: 2, max: 200 });
const problem = capacities.chain((capacity) =>
  fc.record({
    capacity: fc.constant(capacity),
    lengths: fc.array(fc.integer({ min: 1, max: capacity }), { minLength: 1, maxLength: 120 }),
  }),
);

const groupsOf = ({ items, starts }: Groups): number[][] =>
  Array.from({ length: starts.length - 1 }, (_, g) => [
    ...items.subarray(starts[g], starts[g + 1]),
  ]);

const sizes = (groups: readonly number[][], lengths: readonly number[]): number[] =>
  groups.map((group) => group.reduce((sum, item) => sum + lengths[item]!, 0));

describe.each([
  ["best fit decreasing", packBestFit],
  ["in order", packInOrder],
])("packing %s", (_, pack) => {
  test("puts every item into one group, and no group overflows", () => {
    fc.assert(
      fc.property(problem, ({ lengths, capacity }) => {
        const groups = groupsOf(pack(lengths, capacity));
        expect(groups.flat().sort((a, b) => a - b)).toEqual(lengths.map((_, i) => i));
        for (const size of sizes(groups, lengths)) expect(size).toBeLessThanOrEqual(capacity);
        expect(groups.every((group) => group.length > 0)).toBe(true);
      }),
    );
  });
});

describe("best fit decreasing", () => {
  test("is what looking at every group gives", () => {
    fc.assert(
      fc.property(problem, ({ lengths, capacity }) => {
        const order = lengths.map((_, i) => i).sort((a, b) => lengths[b]! - lengths[a]! || a - b);
        const room: number[] = [];
        for (const item of order) {
          const fitting = room.filter((free) => free >= lengths[item]!);
          const best =
            fitting.length > 0 ? room.indexOf(Math.min(...fitting)) : room.push(capacity) - 1;
          room[best]! -= lengths[item]!;
        }
        const groups = sizes(groupsOf(packBestFit(lengths, capacity)), lengths);
        expect(groups.map((size) => capacity - size).sort()).toEqual(room.sort());
      }),
    );
  });

  test("fills rows that a better order leaves half empty", () => {
    const lengths = [6, 4, 7, 3, 5, 5];
    expect(groupsOf(packBestFit(lengths, 10))).toEqual([
      [2, 3],
      [0, 1],
      [4, 5],
    ]);
  });
});

test("in order, items stay in order", () => {
  expect(groupsOf(packInOrder([6, 4, 7, 3, 5, 5, 1], 10))).toEqual([[0, 1], [2, 3], [4, 5], [6]]);
});
