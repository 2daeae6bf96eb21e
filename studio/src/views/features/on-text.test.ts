import { expect, it } from "vitest";
import { strongestRows } from "./on-text.ts";

const fired = [
  [{ feature: 9, value: 50 }],
  [
    { feature: 1, value: 2 },
    { feature: 9, value: 1 },
  ],
  [{ feature: 4, value: 3 }],
];

it("ranks features by what they do after the first token, and keeps what they did on it", () => {
  const { features, values } = strongestRows(fired, 3);
  expect(features).toEqual([4, 1, 9]);
  expect([...values]).toEqual([0, 0, 3, 0, 2, 0, 50, 1, 0]);
  expect(strongestRows(fired, 1).features).toEqual([4]);
  expect(strongestRows(fired.slice(0, 1), 3).features).toEqual([9]);
});
