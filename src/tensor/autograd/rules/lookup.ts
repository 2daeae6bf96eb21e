/** Gradients of reading and writing rows by number. */
import { takeRowsBackward } from "../../ops/backward.ts";
import { fill } from "../../ops/elementwise.ts";
import { putAlong, takeRows, putRows } from "../../ops/lookup.ts";
import { contiguous, reshape } from "../../ops/layout.ts";
import { scale } from "../../ops/elementwise.ts";
import type { Tensor } from "../../tensor.ts";
import type { Rules } from "../rule.ts";

export const lookupRules: Rules = {
  // Each row's gradient is added to the row that it was read from.
  takeRows: ({ dy, inputs }) => {
    const [table, ids] = inputs as [Tensor, Tensor];
    return [takeRowsBackward(dy, ids, table.dim(0))];
  },
  takeAlong: ({ dy, inputs, settings }) => {
    const [x, ids] = inputs as [Tensor, Tensor];
    const { width } = settings as { width: number };
    return [putAlong(fill(x, 0), reshape(dy, [x.dim(0), width]), ids)];
  },
  topKMask: () => [],
  // Rows that were written over pass nothing back; what was written gets the gradient of its row.
  putRows: ({ dy, inputs, wants }) => {
    const [, values, ids] = inputs as [Tensor, Tensor, Tensor];
    return [
      wants(0) ? putRows(scale(contiguous(dy), 1), fill(values, 0), ids) : undefined,
      wants(1) ? takeRows(dy, ids) : undefined,
    ];
  },
};
