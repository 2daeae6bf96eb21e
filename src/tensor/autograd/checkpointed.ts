/**
 * Recomputation: a block that keeps nothing but its input, and is computed a second time when its gradient is wanted
 * (Chen et al. 2016, "Training Deep Nets with Sublinear Memory Cost", arXiv 1604.06174).
 */
import type { Pointer } from "../../engine/api.ts";
import { graphOf } from "../ops/check.ts";
import { handleCount, type Tensor } from "../tensor.ts";
import type { Rules } from "./rule.ts";

type Block = (x: Tensor) => Tensor;

interface Recomputed {
  block: Block;
  /** What is computed between the inputs and the result, which has no gradient of its own. */
  inside: ReadonlySet<Pointer>;
}

/**
 * The same block, whose intermediate results are not kept for its gradient but computed again. `block` must record the
 * same operations every time that it is called.
 */
export function checkpointed(block: Block): Block {
  return (x) => {
    const start = handleCount();
    const result = block(x);
    const { outside, inside } = surroundings(result, { x, start });
    if (!inside.has(result.pointer)) return result;
    inside.delete(result.pointer);
    return graphOf("checkpointed", [result]).result(result.pointer, {
      dtype: result.dtype,
      shape: result.shape,
      strides: result.strides,
      made: {
        op: "checkpointed",
        inputs: [x, ...outside],
        settings: { block, inside } satisfies Recomputed,
      },
    });
  };
}

export const recomputationRules: Rules = {
  checkpointed: ({ dy, inputs, settings, wants, pullBack }) => {
    const { block } = settings as Recomputed;
    const wanted = [...inputs.keys()].filter(wants);
    const found = pullBack(
      block(inputs[0] as Tensor),
      dy,
      wanted.map((i) => inputs[i] as Tensor),
    );
    return inputs.map((_, i) => found[wanted.indexOf(i)]);
  },
};

/** The tensors that were computed inside the blocks on the way, of which no gradient can be had. */
export function insideBlocks(nodes: readonly Tensor[]): Set<Pointer> {
  const found = new Set<Pointer>();
  for (const { made } of nodes)
    if (made?.op === "checkpointed")
      for (const pointer of (made.settings as Recomputed).inside) found.add(pointer);
  return found;
}

/** What `y` was made of since `start`, and what it took from elsewhere: weights, inputs, earlier results. */
function surroundings(
  y: Tensor,
  { x, start }: { x: Tensor; start: number },
): { outside: Tensor[]; inside: Set<Pointer> } {
  const inside = new Set<Pointer>();
  const outside = new Map<Pointer, Tensor>();
  const visit = (t: Tensor): void => {
    if (t.pointer === x.pointer || inside.has(t.pointer) || outside.has(t.pointer)) return;
    if (t.made === undefined || t.serial < start) {
      outside.set(t.pointer, t);
      return;
    }
    inside.add(t.pointer);
    t.made.inputs.forEach(visit);
  };
  visit(y);
  return { outside: [...outside.values()], inside };
}
