import { expect, it } from "vitest";
import type { Patterns } from "../../api/lab.ts";
import { headName, layoutOf, orderOf, paintAtlas, parseHead, scoreOf } from "./atlas.ts";

it("puts the largest scores first, attributions by their size, and unknown ones last", () => {
  expect(orderOf([0.1, 0.7, undefined, 0.7], "induction_head")).toEqual([1, 3, 0, 2]);
  expect(orderOf([0.1, -2, 1], "attribution")).toEqual([1, 2, 0]);
  expect(orderOf([3, 2, 1], "layer")).toEqual([0, 1, 2]);
});

it("names heads, and reads their names", () => {
  expect(parseHead(headName({ layer: 3, head: 12 }))).toEqual({ layer: 3, head: 12 });
  expect(parseHead("L3")).toBeUndefined();
  expect(scoreOf("entropy", undefined, 1)).toBeUndefined();
});

it("paints a tile for each head: bright where it looks, clear above the diagonal and between", () => {
  const canvas = { width: 0, height: 0, image: new Uint32Array() };
  const context = {
    createImageData: (width: number, height: number) => ({
      data: new Uint8ClampedArray(4 * width * height),
    }),
    putImageData: ({ data }: { data: Uint8ClampedArray }) => {
      canvas.image = Uint32Array.from(new Uint32Array(data.buffer));
    },
  };
  const patterns: Patterns = {
    heads: [0, 1].map((head) => ({ layer: 0, head })),
    rows: 2,
    values: Float32Array.from([1, 0, 0, 1, 1, 0, 1, 0]),
    full: 1,
  };
  paintAtlas(
    Object.assign(canvas, { getContext: () => context as unknown }) as never,
    { patterns, order: [1, 0], layout: layoutOf(2, 2, 2) },
    false,
  );
  expect([canvas.width, canvas.height]).toEqual([6, 3]);
  const [full, , , other] = canvas.image;
  expect(full).toBe(other); // both look at their first token
  const row = [...canvas.image.subarray(6, 12)];
  expect(row[0]).toBe(full); // head 1 looks back
  expect(row[1]).not.toBe(full);
  expect(row[3]).not.toBe(full); // head 0 does not
  expect(row[4]).toBe(full);
  expect([canvas.image[1], canvas.image[2], canvas.image[5]]).toEqual([0, 0, 0]);
});
