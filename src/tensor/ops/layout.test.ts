import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  evaluate,
  expectClose,
  takeView,
  testBackend,
  views,
} from "../../../test/support/tensors.ts";
import { Graph } from "../graph.ts";
import { elementCount } from "../shape.ts";
import type { Tensor } from "../tensor.ts";
import * as ops from "./index.ts";

const BAD_INPUT = expect.objectContaining({ code: "bad_input" }) as Error;

/** Splits of a number of values into one to four axes. */
function shapesOf(count: number): number[][] {
  const found: number[][] = [];
  const extend = (shape: number[], left: number): void => {
    if (shape.length > 0 && left === 1) found.push(shape);
    if (shape.length === 4) return;
    for (let n = 1; n <= left; n++) if (left % n === 0) extend([...shape, n], left / n);
  };
  extend([], count);
  return found;
}

describe("contiguous, permute and slice", () => {
  it("give the values of any view, through any number of them", async () => {
    await fc.assert(
      fc.asyncProperty(views(), async (view) => {
        const [copy, straight] = await evaluate(
          (x) => [ops.contiguous(takeView(view, x)), ops.packed(takeView(view, x))],
          [view.base],
        );
        expectClose(copy!, view.values, {});
        expectClose(straight!, view.values, {});
      }),
      { numRuns: 300 },
    );
  });

  it("do not copy", () => {
    using graph = new Graph(testBackend());
    const x = graph.input("f32", [4, 6, 8]);
    const turned = ops.permute(x, [2, 0, 1]);
    const part = ops.slice(turned, { axis: 0, start: 1, length: 3 });
    const again = ops.permute(ops.slice(part, { axis: 2, start: 2, length: 2 }), [1, 2, 0]); // [4, 2, 3]
    const view = ops.reshape(ops.slice(again, { axis: 2, start: 0, length: 2 }), [2, 2, 2, 2]);
    const made = (t: Tensor): string[] =>
      t.made === undefined ? [] : [t.made.op, ...t.made.inputs.flatMap(made)];
    expect(new Set(made(view))).toEqual(new Set(["reshape", "permute", "slice"]));
  });

  it("refuse axes and ranges that the tensor does not have", () => {
    using graph = new Graph(testBackend());
    const x = graph.input("f32", [2, 3]);
    for (const call of [
      () => ops.permute(x, [0]),
      () => ops.permute(x, [0, 0]),
      () => ops.permute(x, [1, 2]),
      () => ops.slice(x, { axis: 2, start: 0, length: 1 }),
      () => ops.slice(x, { axis: 0.5, start: 0, length: 1 }),
      () => ops.slice(x, { axis: 0, start: -1, length: 1 }),
      () => ops.slice(x, { axis: 0, start: 0, length: 0 }),
      () => ops.slice(x, { axis: 1, start: 2, length: 2 }),
      () => ops.slice(x, { axis: 1, start: 0.5, length: 1 }),
      () => ops.transpose(graph.input("f32", [3])),
    ])
      expect(call).toThrow(BAD_INPUT);
  });

  it("refuse to cut or turn the rows of quantised values", () => {
    using graph = new Graph(testBackend());
    const x = graph.input("q8_0", [4, 64]);
    expect(() => ops.transpose(x)).toThrow(BAD_INPUT);
    expect(() => ops.slice(x, { axis: 1, start: 16, length: 32 })).toThrow(BAD_INPUT);
    expect(() => ops.reshape(x, [16, 16])).toThrow(BAD_INPUT);
    expect(() => ops.contiguous(ops.slice(x, { axis: 1, start: 32, length: 32 }))).toThrow(
      BAD_INPUT,
    );
    expect(ops.slice(x, { axis: 0, start: 1, length: 2 }).shape).toEqual([2, 64]);
    expect(ops.reshape(x, [4, 2, 32]).shape).toEqual([4, 2, 32]);
  });
});

describe("reshape", () => {
  it("keeps the row-major order of the values of any view", async () => {
    await fc.assert(
      fc.asyncProperty(views({ maxSize: 4 }), fc.nat(), async (view, choice) => {
        const options = shapesOf(elementCount(view.values.shape));
        const shape = options[choice % options.length] ?? [];
        const [found] = await evaluate((x) => ops.reshape(takeView(view, x), shape), [view.base]);
        expectClose(found!, { shape, data: view.values.data }, {});
      }),
      { numRuns: 200 },
    );
  });

  it("works out one axis, and refuses other sizes", () => {
    using graph = new Graph(testBackend());
    const x = graph.input("f32", [4, 6]);
    expect(ops.reshape(x, [2, -1]).shape).toEqual([2, 12]);
    for (const shape of [
      [5, -1],
      [4, 7],
      [-1, -1],
      [0, 24],
      [],
      [24, 1, 1, 1, 1],
      [-2, -12],
      [NaN],
    ])
      expect(() => ops.reshape(x, shape), String(shape)).toThrow(BAD_INPUT);
  });
});
