/** Gradients through operations that only move values: they move back. */
import { pad } from "../../ops/copy.ts";
import { invertAxes, permute, reshape, slice } from "../../ops/layout.ts";
import { sumTo } from "../../ops/reduce.ts";
import type { Tensor } from "../../tensor.ts";
import { unaryRule, type Rules } from "../rule.ts";

interface Range {
  axis: number;
  start: number;
  length: number;
}

export const layoutRules: Rules = {
  contiguous: unaryRule((dy) => dy),
  cast: unaryRule((dy) => dy), // gradients are f32, whatever the type of their tensor
  reshape: unaryRule((dy, x) => reshape(dy, x.shape)),
  permute: unaryRule((dy, _x, _y, settings) =>
    permute(dy, invertAxes((settings as { axes: readonly number[] }).axes)),
  ),
  // Zeros where the values that were cut off stood.
  slice: unaryRule((dy, x, _, settings) => {
    const { axis, start, length } = settings as Range;
    return pad(dy, { axis, before: start, after: x.dim(axis) - start - length });
  }),
  pad: unaryRule((dy, x, _, settings) => {
    const { axis, before } = settings as { axis: number; before: number };
    return slice(dy, { axis, start: before, length: x.dim(axis) });
  }),
  concat: ({ dy, inputs, settings }) => {
    const { axis } = settings as { axis: number };
    const [a, b] = inputs as [Tensor, Tensor];
    return [
      slice(dy, { axis, start: 0, length: a.dim(axis) }),
      slice(dy, { axis, start: a.dim(axis), length: b.dim(axis) }),
    ];
  },
  broadcastTo: unaryRule((dy, x) => sumTo(dy, x.shape)),
};
