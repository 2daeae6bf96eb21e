import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { didYouMean, editDistance, listOf, nearest } from "./suggest.ts";

describe("edit distance", () => {
  test.each([
    ["", "", 0],
    ["kitten", "sitting", 3],
    ["modle", "model", 1],
    ["phi-2", "phi-2", 0],
    ["abc", "", 3],
  ])("%j to %j is %i", (a, b, distance) => {
    expect(editDistance(a, b)).toBe(distance);
  });

  test("is symmetric, and no more than the longer length", () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 12 }), fc.string({ maxLength: 12 }), (a, b) => {
        const distance = editDistance(a, b);
        expect(distance).toBe(editDistance(b, a));
        expect(distance).toBeLessThanOrEqual(Math.max(a.length, b.length));
        expect(distance === 0).toBe(a === b);
      }),
    );
  });
});

describe("nearest names", () => {
  test("are those with the fewest edits; what is far away is none", () => {
    expect(nearest("modell", ["mode", "model"])).toEqual(["model"]);
    expect(nearest("phi2", ["phi-1", "phi-2", "llama", "phi-1.5"])).toEqual(["phi-2"]);
    expect(nearest("quantise", ["convert", "quantize"])).toEqual(["quantize"]);
    expect(nearest("xyz", ["convert", "quantize"])).toEqual([]);
  });

  test("include what begins with the name", () => {
    expect(nearest("phi-nano", ["phi-nano-instruct"])).toEqual(["phi-nano-instruct"]);
  });

  test("read as a question", () => {
    expect(didYouMean("rusn", ["runs", "run"])).toBe("Did you mean run or runs?");
    expect(didYouMean("zebra", ["runs"])).toBeUndefined();
  });
});

test("lists read as a person would write them", () => {
  expect(listOf([], "or")).toBe("");
  expect(listOf(["a"], "or")).toBe("a");
  expect(listOf(["a", "b", "c"], "and")).toBe("a, b and c");
});
