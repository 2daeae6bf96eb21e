/** A graph for one step through caches, and filling its inputs. */
import type { Graph } from "../tensor/graph.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { Segment } from "./attention.ts";
import type { CachedTokens } from "./cached-tokens.ts";
import type { EditApplier } from "./hooks/apply.ts";
import { maskValues } from "./mask.ts";
import type { Runner } from "./runner.ts";

export interface Step {
  graph: Graph;
  owner: Runner;
  key: string;
  ids: Tensor;
  positions: Tensor;
  logitRows: Tensor | undefined;
  segments: readonly Segment[];
  editor: EditApplier | undefined;
  logits: Tensor | undefined;
}

export function fill(step: Step, batch: readonly CachedTokens[]): void {
  step.ids.write(Int32Array.from(batch.flatMap(({ ids }) => ids)));
  step.positions.write(Int32Array.from(batch.flatMap(({ positions }) => positions)));
  const wanted: number[] = [];
  batch.forEach(({ cells, sees, logits }, i) => {
    const segment = step.segments[i] as Segment;
    segment.cells.write(BigInt64Array.from(cells, BigInt));
    segment.mask.write(maskValues(segment.mask, sees));
    for (const row of logits) wanted.push(segment.start + row);
  });
  step.logitRows?.write(Int32Array.from(wanted));
}
