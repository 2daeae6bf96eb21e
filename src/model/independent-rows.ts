/** Whether what a row gives depends on the rows beside it. */
import type { Backend } from "../engine/backend.ts";
import { isTable } from "./parameters.ts";
import type { LoadedWeights } from "./weights.ts";

/**
 * Kernels of our own sum every value in an order that depends on the inner size alone. ggml's products have another order for
 * one row than for many, so a model of which ggml multiplies any matrix gives other roundings in another batch.
 */
export function rowsAreIndependent({ tensors }: LoadedWeights, { kernels }: Backend): boolean {
  if (kernels === undefined) return false;
  return [...tensors].every(
    ([name, { rank, dtype, interleaved }]) =>
      rank < 2 ||
      interleaved ||
      dtype === "f32" ||
      (dtype === "f16" && kernels.readsHalf) ||
      isTable(name),
  );
}
