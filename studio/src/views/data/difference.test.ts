import fc from "fast-check";
import { expect, it } from "vitest";
import { differences, pieces, type Range } from "./difference.ts";

const text = fc
  .array(fc.constantFrom("a", "b", "c", " ", "\n", ", ", "é", "日"), { maxLength: 40 })
  .map((parts) => parts.join(""));

/** The words that are not marked. */
const rest = (whole: string, ranges: readonly Range[]): string[] =>
  pieces(whole, ranges)
    .flatMap(({ text: piece, isMarked }) => (isMarked ? [" "] : [piece]))
    .join("")
    .match(/[\p{L}\p{N}_]+|[^\s\p{L}\p{N}_]/gu) ?? [];

it("what is not marked is the same in both texts", () => {
  fc.assert(
    fc.property(text, text, (a, b) => {
      const found = differences(a, b);
      expect(rest(a, found.a)).toEqual(rest(b, found.b));
      if (a === b) expect(found).toEqual({ a: [], b: [] });
    }),
  );
});

it("as little as can be is marked", () => {
  const a = "When Mary and John went to the store, John gave a book to Mary.";
  const b = "When Mary and John went to the market, John gave a red book to her.";
  const { a: inA, b: inB } = differences(a, b);
  expect(inA.map(([from, to]) => a.slice(from, to))).toEqual(["store", "Mary"]);
  expect(inB.map(([from, to]) => b.slice(from, to))).toEqual(["market", "red", "her"]);
});

it("texts that have nothing in common, however long, are marked whole", () => {
  const long = (letter: string): string => `${letter} `.repeat(3_000).trim();
  const { a, b } = differences(long("x"), long("y"));
  expect(a).toEqual([[0, 5_999]]);
  expect(b).toEqual([[0, 5_999]]);
});

it("pieces make up the text again", () => {
  fc.assert(
    fc.property(text, text, (a, b) => {
      const joined = pieces(a, differences(a, b).a)
        .map((piece) => piece.text)
        .join("");
      expect(joined).toBe(a);
    }),
  );
});
