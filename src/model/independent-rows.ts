/** Whether what a row gives depends on the rows beside it. */
import type { Mode } from "../base/settings.ts";
import type { Backend } from "../engine/backend.ts";
import type { KvCacheType } from "./kv-cache.ts";
import { isTable } from "./parameters.ts";
import type { LoadedWeights } from "./weights.ts";

/**
 * Kernels of our own sum every value in an order that depends on the inner size alone. ggml's products and its fused attention
 * have another order for one row than for many, so a model of which ggml multiplies any matrix, or for which it attends, gives
 * other roundings in another batch.
 */
export function rowsAreIndependent({
  weights,
  backend: { kernels },
  mode,
  cacheType,
}: {
  weights: LoadedWeights;
  backend: Backend;
  mode: Mode;
  cacheType: KvCacheType;
}): boolean {
  if (kernels === undefined) return false;
  const readsCache = cacheType === "f32" || (cacheType === "f16" && kernels.readsHalf);
  // Explicit attention is products and a softmax, which ggml computes row by row.
  if (!readsCache || !(mode === "reference" || kernels.attends)) return false;
  return [...weights.tensors].every(
    ([name, { rank, dtype, interleaved }]) =>
      rank < 2 ||
      interleaved ||
      dtype === "f32" ||
      (dtype === "f16" && kernels.readsHalf) ||
      isTable(name),
  );
}
