import { expect, it } from "vitest";
import { patternOf, restless } from "./attention.ts";

const look = (step: number, values: number[]) => ({
  ...{ step, layers: 1, heads: 2, tokens: ["a", "b"], values: Uint8Array.from(values) },
});

it("heads are ordered by the share of attention that went elsewhere", () => {
  const before = look(0, [255, 0, 255, 0, 255, 0, 255, 0]);
  const after = look(5, [255, 0, 255, 0, 255, 0, 0, 255]);
  // The second token of the second head looks at itself: one row of two.
  expect(restless([before, after])).toEqual([
    { head: 1, change: 0.5 },
    { head: 0, change: 0 },
  ]);
  expect([...patternOf(after, 1)]).toEqual([1, 0, 0, 1]);
});
