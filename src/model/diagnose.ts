/** Finds where a forward pass leaves the numbers. */
import type { Mode } from "../base/settings.ts";
import type { Backend } from "../engine/backend.ts";
import { Graph } from "../tensor/graph.ts";
import { scale, sumAll } from "../tensor/ops/index.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { attendWithin } from "./attention.ts";
import type { ModelConfig } from "./model-config.ts";
import type { HookPoint, Tap } from "./hook-points.ts";
import { forward, type ModelWeights } from "./forward.ts";

/** The first hook point whose value is not finite for `ids`, in the order of computation; undefined where all are. */
export async function firstNonFinite(
  {
    weights,
    config,
    backend,
    mode,
  }: { weights: ModelWeights; config: ModelConfig; backend: Backend; mode: Mode },
  tokens: readonly number[],
): Promise<HookPoint | undefined> {
  const length = tokens.length;
  using graph = new Graph(backend, { maxNodes: 64 + 192 * config.layers });
  const ids = graph.input("i32", [length]);
  const positions = graph.input("i32", [length]);
  const mask = graph.input("f32", [1, 1, length, length]);
  const sums = new Map<HookPoint, Tensor>();
  const tap: Tap = Object.assign(
    (point: HookPoint, value: Tensor) => {
      // 0 · x is 0 for every number, and NaN for what is none.
      const sum = sumAll(scale(value, 0));
      graph.output(sum);
      sums.set(point, sum);
      return value;
    },
    { wants: () => false },
  );
  const attend = attendWithin({ batch: 1, mask }, { fused: false });
  forward(weights, config, { ids, positions, attend }, { mode, tap });
  graph.allocate();
  ids.write(Int32Array.from(tokens));
  positions.write(Int32Array.from(tokens, (_, i) => i));
  mask.write(
    Float32Array.from({ length: length * length }, (_, i) =>
      i % length <= Math.floor(i / length) ? 0 : -Infinity,
    ),
  );
  await graph.compute();
  for (const [point, sum] of sums) if (Number.isNaN(sum.read()[0])) return point;
  return undefined;
}
