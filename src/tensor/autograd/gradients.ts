/**
 * Reverse-mode differentiation: walks back from a loss over how its tensors were made, and records the operations that
 * give the gradients in the same graph (Griewank & Walther 2008, "Evaluating Derivatives", §3.2).
 */
import { invariant, LabError } from "../../base/errors.ts";
import type { Pointer } from "../../engine/api.ts";
import { graphOf } from "../ops/check.ts";
import { add, fill } from "../ops/elementwise.ts";
import { describeShape, formatShape, sameShape } from "../shape.ts";
import type { Tensor } from "../tensor.ts";
import { insideBlocks } from "./checkpointed.ts";
import type { Rule } from "./rule.ts";
import { rules } from "./rules/index.ts";

/**
 * The gradients of `loss` (one value) with respect to tensors that it was computed from: weights, inputs and any
 * intermediate result alike. f32, each in the shape of its tensor; 0 everywhere where the loss does not depend on it.
 *
 * The operations run in the order in which they are recorded here, last layer first, so that what a layer keeps for its
 * gradient is freed when its turn is over. Call this before the graph is allocated.
 *
 * @throws LabError `bad_input` when the loss has more than one value, `unsupported` when an operation on the way has no
 *   derivative
 */
export function gradients(loss: Tensor, withRespectTo: readonly Tensor[]): Tensor[] {
  const found = gradientsOf(loss, withRespectTo);
  return withRespectTo.map((tensor, i) => found[i] ?? zeros(loss, tensor));
}

/**
 * Hands each gradient to `use` as soon as it is whole, so that what `use` records runs there and then, and the gradient's
 * memory serves again: a model's gradients are as large as the model. Tensors on which the loss does not depend are left out.
 */
export function eachGradient(
  loss: Tensor,
  withRespectTo: readonly Tensor[],
  use: (gradient: Tensor, index: number) => void,
): void {
  const indices = new Map(withRespectTo.map(({ pointer }, i) => [pointer, i]));
  gradientsOf(loss, withRespectTo, (pointer, gradient) => {
    use(gradient, indices.get(pointer) as number);
  });
}

type Use = (of: Pointer, gradient: Tensor) => void;

function gradientsOf(
  loss: Tensor,
  withRespectTo: readonly Tensor[],
  use?: Use,
): (Tensor | undefined)[] {
  if (loss.size !== 1)
    throw new LabError("bad_input", `a loss is one value, not ${describeShape(loss)}`, {
      hint: "Sum it with `sumAll`, or pull a gradient of its shape back with `pullBack`.",
    });
  graphOf("gradients", [loss]).require(loss);
  const whole = use === undefined ? {} : { use };
  return walkBack(loss, fill(loss, 1), withRespectTo, { through: true, ...whole });
}

/**
 * The vector-Jacobian product: what `dy`, the gradient with respect to `y`, becomes for tensors that `y` was computed
 * from; undefined where `y` does not depend on one.
 */
export function pullBack(
  y: Tensor,
  dy: Tensor,
  withRespectTo: readonly Tensor[],
): (Tensor | undefined)[] {
  return walkBack(y, dy, withRespectTo, { through: true });
}

/**
 * @param options.through - whether the walk goes on behind a wanted tensor, to other wanted ones that it depends on
 * @param options.use - takes the gradients of wanted tensors when they are whole; they are not returned then
 */
function walkBack(
  y: Tensor,
  dy: Tensor,
  withRespectTo: readonly Tensor[],
  { through, use }: { through: boolean; use?: Use },
): (Tensor | undefined)[] {
  if (!sameShape(y.shape, dy.shape))
    throw new LabError("bad_input", `a gradient ${describeShape(dy)} for ${describeShape(y)}`);
  const graph = graphOf("gradients", [y, dy]);
  const wanted = new Set(withRespectTo.map(({ pointer }) => pointer));
  const { order, leads } = trace(y, wanted, through);
  assertVisible(order, withRespectTo);
  const sums = new Map<Pointer, Tensor>([[y.pointer, dy]]);
  for (const node of order.reverse()) {
    const isWanted = wanted.has(node.pointer);
    const total = sums.get(node.pointer);
    // All that reads a tensor comes before it.
    if (isWanted && total !== undefined && use !== undefined) {
      use(node.pointer, total);
      sums.delete(node.pointer);
    }
    if (total === undefined || node.made === undefined || (isWanted && !through)) continue;
    const { op, settings } = node.made;
    const inputs = node.made.inputs.map((t) => (t.graph === undefined ? graph.use(t) : t));
    const wants = (i: number): boolean => leads.has((inputs[i] as Tensor).pointer);
    if (!inputs.some((_, i) => wants(i))) continue;
    const found = ruleOf(op)({
      y: node,
      dy: total,
      inputs,
      settings,
      wants,
      pullBack: (from, gradient, to) => walkBack(from, gradient, to, { through: false }),
    });
    inputs.forEach((input, i) => {
      const part = found[i];
      if (part === undefined || !wants(i)) return;
      invariant(
        sameShape(part.shape, input.shape),
        `the gradient of ${op} is ${formatShape(part.shape)} for ${formatShape(input.shape)}`,
      );
      const before = sums.get(input.pointer);
      const sum = before === undefined ? part : add(before, part);
      graph.require(sum);
      sums.set(input.pointer, sum);
    });
    if (!isWanted) sums.delete(node.pointer);
  }
  return withRespectTo.map(({ pointer }) => sums.get(pointer));
}

/** All that `y` was made of, inputs first, and which of it depends on a wanted tensor (or is one). */
function trace(
  y: Tensor,
  wanted: ReadonlySet<Pointer>,
  through: boolean,
): { order: Tensor[]; leads: Set<Pointer> } {
  const order: Tensor[] = [];
  const leads = new Set<Pointer>();
  const seen = new Set<Pointer>();
  const stack: { tensor: Tensor; inputs: readonly Tensor[]; next: number }[] = [];
  const enter = (tensor: Tensor): void => {
    if (seen.has(tensor.pointer)) return;
    seen.add(tensor.pointer);
    const ends = !through && wanted.has(tensor.pointer);
    stack.push({ tensor, inputs: ends ? [] : (tensor.made?.inputs ?? []), next: 0 });
  };
  enter(y);
  for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
    const input = top.inputs[top.next++];
    if (input !== undefined) {
      enter(input);
      continue;
    }
    const { pointer } = top.tensor;
    if (wanted.has(pointer) || top.inputs.some((t) => leads.has(t.pointer))) leads.add(pointer);
    order.push(top.tensor);
    stack.pop();
  }
  return { order, leads };
}

function assertVisible(nodes: readonly Tensor[], withRespectTo: readonly Tensor[]): void {
  const hidden = insideBlocks(nodes);
  const inside = withRespectTo.find(({ pointer }) => hidden.has(pointer));
  if (inside !== undefined)
    throw new LabError(
      "bad_input",
      `no gradient with respect to ${describeShape(inside)}: it lies inside a checkpointed block`,
      { hint: "Leave that block as it is, or split it at this tensor." },
    );
}

function ruleOf(op: string): Rule {
  const rule = rules[op];
  if (rule === undefined)
    throw new LabError("unsupported", `the operation ${op} has no derivative`, {
      hint: "Compute the loss without it, or take gradients with respect to later tensors.",
    });
  return rule;
}

function zeros(loss: Tensor, like: Tensor): Tensor {
  const graph = graphOf("gradients", [loss]);
  const tensor = like.dtype === "f32" ? graph.use(like) : graph.input("f32", like.shape);
  return fill(tensor, 0);
}
