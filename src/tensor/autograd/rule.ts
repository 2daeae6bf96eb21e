/** What a rule of differentiation is: the operations that carry a gradient from a result back to its inputs. */
import type { Tensor } from "../tensor.ts";

export interface Step {
  /** The result of the operation. */
  y: Tensor;
  /** The gradient of the loss with respect to `y`, f32 in its shape. */
  dy: Tensor;
  inputs: readonly Tensor[];
  /** What the operation recorded beside its inputs. */
  settings: unknown;
  /** Whether the gradient of input `i` is of use. */
  wants: (i: number) => boolean;
  /** Carries a gradient through operations that the rule has recorded anew, as far as the given tensors. */
  pullBack: (y: Tensor, dy: Tensor, to: readonly Tensor[]) => (Tensor | undefined)[];
}

/** Gradients with respect to the inputs, in their order; those that are not wanted, or are 0, may be missing. */
export type Rule = (step: Step) => readonly (Tensor | undefined)[];

export type Rules = Readonly<Record<string, Rule>>;

/** The rule of an operation on one tensor. */
export function unaryRule(
  derivative: (dy: Tensor, x: Tensor, y: Tensor, settings: unknown) => Tensor,
): Rule {
  return ({ dy, y, inputs, settings }) => [derivative(dy, inputs[0] as Tensor, y, settings)];
}

/** The rule of an operation on two tensors, each gradient made only when it is wanted. */
export function binaryRule(
  first: (dy: Tensor, a: Tensor, b: Tensor, y: Tensor) => Tensor,
  second: (dy: Tensor, a: Tensor, b: Tensor, y: Tensor) => Tensor,
): Rule {
  return ({ dy, y, inputs, wants }) => {
    const [a, b] = inputs as [Tensor, Tensor];
    return [wants(0) ? first(dy, a, b, y) : undefined, wants(1) ? second(dy, a, b, y) : undefined];
  };
}
