/** Compares gradients with finite differences. */
import { LabError } from "../../base/errors.ts";
import { Random } from "../../base/random.ts";
import type { Backend } from "../../engine/backend.ts";
import { Graph } from "../graph.ts";
import { mul } from "../ops/elementwise.ts";
import { contiguous } from "../ops/layout.ts";
import { sumAll } from "../ops/reduce.ts";
import { formatShape, type Shape } from "../shape.ts";
import type { Tensor } from "../tensor.ts";
import { gradients } from "./gradients.ts";

export interface CheckedInput {
  shape: Shape;
  /** Row-major values, away from points where the function has no derivative; integers are ids. */
  values: Float32Array | Int32Array;
  /** Leaves out the derivative with respect to it, as for a mask; ids have none in any case. */
  fixed?: boolean;
}

export interface CheckOptions {
  /** Largest difference, as a share of the largest derivative with respect to the same input. */
  tolerance?: number;
  /** How far values are moved; powers of two round least. */
  step?: number;
  /** How many values of each input are tried, chosen at random where it has more. */
  samples?: number;
  seed?: number;
}

export interface CheckReport {
  /** Values that were tried. */
  compared: number;
  /** The largest difference, as a share of the largest derivative of its input. */
  worst: number;
}

/**
 * Checks the gradients of `f` at `inputs` against differences of `f` itself: the fourth-order central difference
 * (8·(f(x+h) − f(x−h)) − (f(x+2h) − f(x−2h)))/12h of Σ c·f for random c.
 *
 * @param f - made of operations of `philab/tensor`; any shape of result
 * @throws LabError `check_failed`, naming the input and index of the largest difference
 */
export async function checkGradients(
  backend: Backend,
  f: (...inputs: Tensor[]) => Tensor,
  inputs: readonly CheckedInput[],
  { tolerance = 1e-3, step = 2 ** -6, samples = 24, seed = 0 }: CheckOptions = {},
): Promise<CheckReport> {
  const random = new Random(seed);
  using graph = new Graph(backend);
  const tensors = inputs.map(({ shape, values }) =>
    graph.input(values instanceof Int32Array ? "i32" : "f32", shape),
  );
  const varied = inputs.flatMap(({ shape, values, fixed = false }, i) =>
    fixed || values instanceof Int32Array
      ? []
      : [{ i, shape, values, tensor: tensors[i] as Tensor }],
  );
  const y = contiguous(f(...tensors));
  const weights = graph.input("f32", y.shape);
  const found = gradients(
    sumAll(mul(y, weights)),
    varied.map(({ tensor }) => tensor),
  ).map(contiguous);
  graph.output(y, ...found);
  graph.allocate();
  inputs.forEach(({ values }, i) => tensors[i]?.write(values));
  const factors = Float32Array.from({ length: y.size }, () => random.normal());
  weights.write(factors);
  await graph.compute();
  const derivatives = found.map((gradient) => gradient.read());

  const differenceAt = async (
    { values, tensor }: { values: Float32Array; tensor: Tensor },
    j: number,
  ): Promise<number> => {
    const moved = Float32Array.from(values);
    let difference = 0;
    for (const [steps, weight] of STENCIL) {
      moved[j] = (values[j] ?? NaN) + steps * step;
      tensor.write(moved);
      await graph.compute();
      difference += (weight * dot(factors, y.read())) / (12 * step);
    }
    tensor.write(values);
    return difference;
  };

  let compared = 0;
  let worst = { share: 0, message: "" };
  for (const [n, input] of varied.entries()) {
    const derivative = derivatives[n] as Float32Array;
    const largest = derivative.reduce((most, d) => Math.max(most, Math.abs(d)), 1e-6);
    for (const j of random.permutation(input.values.length).subarray(0, samples)) {
      const difference = await differenceAt(input, j);
      const share = Math.abs(difference - (derivative[j] ?? NaN)) / largest;
      compared++;
      if (share <= worst.share) continue;
      const index = formatShape(indexOf(j, input.shape));
      const message = `input ${input.i} at ${index}: the gradient is ${derivative[j]}, the difference ${difference}`;
      worst = { share: Number.isNaN(share) ? Infinity : share, message };
    }
  }
  if (worst.share > tolerance)
    throw new LabError(
      "check_failed",
      `gradients differ from finite differences, ${worst.message}`,
      {
        hint: `That is ${worst.share.toPrecision(2)} of the input's largest derivative; the tolerance is ${tolerance}.`,
      },
    );
  return { compared, worst: worst.share };
}

/** Steps and weights of the fourth-order central difference, times 12. */
const STENCIL = [
  [1, 8],
  [-1, -8],
  [2, -1],
  [-2, 1],
] as const;

function dot(a: Float32Array, b: Float32Array): number {
  return a.reduce((sum, x, i) => sum + x * (b[i] ?? NaN), 0);
}

function indexOf(position: number, shape: Shape): number[] {
  const index = shape.map(() => 0);
  let rest = position;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    const size = shape[axis] ?? 1;
    index[axis] = rest % size;
    rest = Math.floor(rest / size);
  }
  return index;
}
