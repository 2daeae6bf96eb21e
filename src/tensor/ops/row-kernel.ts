/** Operations over rows on kernels of our own. */
import * as emit from "../../engine/emit.ts";
import type { Kernels } from "../../kernels/kernels.ts";
import type { Tensor } from "../tensor.ts";
import { graphOf } from "./check.ts";
import { packed } from "./layout.ts";

/** Distances inside a kernel are 32-bit numbers of bytes. */
const MAX_WIDTH = 2 ** 29;

/**
 * The result of a kernel over rows of f32 tensors of one shape, in that shape; undefined where there is no kernel.
 *
 * @param choose - the kernel for rows of `width` values
 */
export function rowOperation(
  op: string,
  inputs: readonly Tensor[],
  choose: (kernels: Kernels, width: number) => bigint | undefined,
): Tensor | undefined {
  const { shape } = inputs[0] as Tensor;
  const graph = graphOf(op, inputs);
  const { kernels } = graph.backend;
  const width = shape.at(-1) ?? 1;
  if (kernels === undefined || width >= MAX_WIDTH) return undefined;
  const kernel = choose(kernels, width);
  if (kernel === undefined) return undefined;
  const dense = inputs.map(packed);
  const sources = dense.map(({ pointer }) => pointer);
  const call = { name: op, kernel, inputs: sources, dtype: "f32", shape } as const;
  const pointer = graph.emit((c) => emit.kernelOperation(c, call));
  return graph.result(pointer, { dtype: "f32", shape, made: { op, inputs: dense } });
}
