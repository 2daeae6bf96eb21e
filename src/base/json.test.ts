import fc from "fast-check";
import { expect, test } from "vitest";
import { toJson } from "./json.ts";

test("a number that JSON cannot say is named, not lost", () => {
  expect(toJson({ loss: NaN, max: Infinity, min: -Infinity, count: 2n })).toBe(
    '{"loss":"NaN","max":"Infinity","min":"-Infinity","count":"2"}',
  );
});

test("typed arrays are lists", () => {
  expect(toJson({ ids: Int32Array.of(1, 2), p: Float32Array.of(0.5, NaN) })).toBe(
    '{"ids":[1,2],"p":[0.5,"NaN"]}',
  );
});

test("everything else is what JSON.stringify makes of it", () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      expect(toJson(value, 2)).toBe(JSON.stringify(value, undefined, 2));
    }),
  );
});
