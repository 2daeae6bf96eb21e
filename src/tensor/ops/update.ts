/**
 * Changes to tensors that outlive the graph: gradients that add up, and steps of optimisers. Each result must be
 * `require`d of the graph, which makes its changes in that order; it stands for the changed tensor.
 */
import type { Pointer } from "../../engine/api.ts";
import * as emit from "../../engine/emit.ts";
import { library } from "../../engine/library.ts";
import type { Graph } from "../graph.ts";
import { sameShape } from "../shape.ts";
import type { Tensor } from "../tensor.ts";
import { graphOf, isPacked, refuse, requireFloat32, requireInPlace } from "./check.ts";
import { packed } from "./layout.ts";

function requireStored(op: string, targets: readonly Tensor[]): void {
  requireFloat32(op, ...targets);
  if (targets.some((t) => t.made !== undefined || !isPacked(t)))
    refuse(op, targets, "only tensors with memory of their own can be changed");
  if (targets.some((t) => !sameShape(t.shape, (targets[0] as Tensor).shape)))
    refuse(op, targets, "shapes differ");
}

function change(
  op: string,
  graph: Graph,
  { target, others }: { target: Tensor; others: readonly Tensor[] },
  create: (context: Pointer) => Pointer,
): Tensor {
  graph.join([target, ...others]);
  const pointer = graph.emit(create);
  requireInPlace(op, graph, { pointer, inputs: [target, ...others] });
  return graph.result(pointer, {
    dtype: target.dtype,
    shape: target.shape,
    made: { op, inputs: [target, ...others] },
  });
}

/** Adds `values` to a stored tensor. */
export function accumulate(target: Tensor, values: Tensor): Tensor {
  const op = "accumulate";
  requireStored(op, [target]);
  requireFloat32(op, values);
  if (!sameShape(target.shape, values.shape)) refuse(op, [target, values], "shapes differ");
  const dense = packed(values);
  const create = (c: Pointer): Pointer =>
    library().api.ggml_add_inplace(c, target.pointer, dense.pointer);
  return change(op, graphOf(op, [values]), { target, others: [dense] }, create);
}

/** Sets a stored tensor to 0. */
export function clear(graph: Graph, target: Tensor): Tensor {
  const op = "clear";
  requireStored(op, [target]);
  const create = (c: Pointer): Pointer => library().api.ggml_fill_inplace(c, target.pointer, 0);
  return change(op, graph, { target, others: [] }, create);
}

/**
 * A step of AdamW (Loshchilov & Hutter 2017, arXiv 1711.05101) on stored weights and moments:
 * m ← β₁·m + (1−β₁)·g,  v ← β₂·v + (1−β₂)·g²,  w ← w·(1 − α·λ) − α·(m·c₁)/(√(v·c₂) + ε).
 *
 * @param settings - f32 `[7]`: α, β₁, β₂, ε, λ, c₁ = 1/(1−β₁ᵗ), c₂ = 1/(1−β₂ᵗ)
 */
export function adamwStep(
  weights: Tensor,
  { gradient, m, v, settings }: { gradient: Tensor; m: Tensor; v: Tensor; settings: Tensor },
): Tensor {
  const op = "adamwStep";
  requireStored(op, [weights, m, v]);
  requireStep(op, weights, { gradient, settings, count: 7 });
  const g = packed(gradient);
  const { api } = library();
  const create = (c: Pointer): Pointer => {
    api.ggml_set_param(weights.pointer);
    return api.ggml_opt_step_adamw(
      c,
      weights.pointer,
      g.pointer,
      m.pointer,
      v.pointer,
      settings.pointer,
    );
  };
  return change(
    op,
    graphOf(op, [g, settings]),
    { target: weights, others: [g, m, v, settings] },
    create,
  );
}

/**
 * Clips, steps and clears in one pass over memory: the gradient is multiplied by `factor`, used as `adamwStep` does, and set to 0.
 * Undefined where there is no kernel of our own for it.
 *
 * @param factor - f32, whose first value counts
 */
export function adamwWholeStep(
  weights: Tensor,
  {
    gradient,
    m,
    v,
    settings,
    factor,
  }: { gradient: Tensor; m: Tensor; v: Tensor; settings: Tensor; factor: Tensor },
): Tensor | undefined {
  const op = "adamwWholeStep";
  requireStored(op, [weights, gradient, m, v]);
  requireStep(op, weights, { gradient, settings, count: 7 });
  requireFloat32(op, factor);
  const graph = graphOf(op, [settings, factor]);
  const kernel = graph.backend.kernels?.adamw(weights.dim(-1));
  if (kernel === undefined) return undefined;
  const others = [gradient, m, v, settings, factor];
  const inputs = others.map(({ pointer }) => pointer);
  return change(op, graph, { target: weights, others }, (c) =>
    emit.kernelInPlace(c, weights.pointer, { name: "adamw", kernel, inputs }),
  );
}

/**
 * A step of gradient descent on stored weights: w ← w·(1 − α·λ) − α·u.
 *
 * @param settings - f32 `[2]`: α, λ
 */
export function sgdStep(
  weights: Tensor,
  { gradient, settings }: { gradient: Tensor; settings: Tensor },
): Tensor {
  const op = "sgdStep";
  requireStored(op, [weights]);
  requireStep(op, weights, { gradient, settings, count: 2 });
  const u = packed(gradient);
  const { api } = library();
  const create = (c: Pointer): Pointer => {
    api.ggml_set_param(weights.pointer);
    return api.ggml_opt_step_sgd(c, weights.pointer, u.pointer, settings.pointer);
  };
  return change(op, graphOf(op, [u, settings]), { target: weights, others: [u, settings] }, create);
}

function requireStep(
  op: string,
  weights: Tensor,
  { gradient, settings, count }: { gradient: Tensor; settings: Tensor; count: number },
): void {
  requireFloat32(op, weights, gradient, settings);
  if (!sameShape(weights.shape, gradient.shape)) refuse(op, [weights, gradient], "shapes differ");
  if (settings.rank !== 1 || settings.size !== count)
    refuse(op, [weights, settings], `needs ${count} settings`);
}
