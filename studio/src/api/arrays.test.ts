import { expect, it } from "vitest";
import { binaryAnswer } from "../../../src/server/lab/binary.ts";
import { readArrays } from "./arrays.ts";

const answer = binaryAnswer("pattern", {
  values: Float32Array.from([0.5, -1, 2, 3, 4, 5]),
  shape: [1, 2, 3],
  metadata: { heads: [{ layer: 0, head: 3 }], tokens: [{ token: "é" }] },
});

it("reads what the server writes", async () => {
  const { arrays, metadata } = readArrays(await answer.clone().arrayBuffer());
  expect(metadata).toEqual({ heads: [{ layer: 0, head: 3 }], tokens: [{ token: "é" }] });
  expect(arrays.get("pattern")?.shape).toEqual([1, 2, 3]);
  expect([...(arrays.get("pattern")?.values ?? [])]).toEqual([0.5, -1, 2, 3, 4, 5]);
});

it("reads bytes", async () => {
  const values = Uint8Array.from([0, 255, 7]);
  const small = binaryAnswer("pattern", { values, shape: [3], metadata: {} });
  const { arrays } = readArrays(await small.arrayBuffer());
  expect(arrays.get("pattern")).toEqual({ shape: [3], values });
});

it("says that an answer was cut, wherever", async () => {
  const whole = await answer.clone().arrayBuffer();
  for (const length of [0, 7, 40, whole.byteLength - 1])
    expect(() => readArrays(whole.slice(0, length))).toThrow(/cannot be read/);
});
